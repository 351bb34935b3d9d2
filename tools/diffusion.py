"""`diffusion`: size, tokens, loss and FID of an image diffusion transformer for a budget, and what fewer sampling steps cost."""

from __future__ import annotations

from pydantic import Field

from knowledge.errors import MissingInput
from knowledge.library import LawBook
from tools._autoregressive import autoregressive
from tools._law_values import law_value
from tools._modality import ModalityRequest, extrapolated, grid_table, other, plain
from tools.budget import Budget, budget_of
from tools.convert import FLOPS_PER_PARAM_TOKEN
from tools.registry import tool
from tools.result import Alternative, Assumption, Column, Notice, Result, Table, Value

FRONTIER, SAMPLING, ALIGNMENT, FEW_STEPS, PIXELS = (
    "liang2024_dit",
    "esser2024_sd3",
    "li2024_t2i_scalability",
    "rectified_flow_family",
    "henighan2020",
)
_STEPS, _DEPTHS = (5, 10, 20), (15, 30, 38)
_DEPTH, _SAMPLING_STEPS = 38.0, 10.0  # the 8B model and the setting the paper discusses
_FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)


class DiffusionRequest(ModalityRequest):
    """A diffusion question: fields of the brief, and the sampler's where they are known."""

    modality: str | None = Field(default=None, description="variant of Henighan et al. 2020, where that law is asked for")
    depth: float | None = Field(default=None, gt=0, description="blocks of the MM-DiT")
    sampling_steps: float | None = Field(default=None, ge=1)
    architecture: str | None = None
    unique_tokens: float | None = Field(default=None, gt=0)


@tool(task="diffusion", title="Size, data and sampling steps of an image diffusion model")
def diffusion(request: DiffusionRequest, laws: LawBook) -> Result:
    """Optimum for a budget (Liang et al. 2024), the budget for a size, or the cost of fewer sampling steps (Esser et al. 2024).

    Raises MissingInput when neither compute nor a size nor a sampling question is stated.
    """
    if request.law in (SAMPLING, FEW_STEPS) or request.sampling_steps is not None or request.depth is not None:
        return _sampling(request, laws)
    budget = budget_of(request)
    if request.law == PIXELS:
        return autoregressive("diffusion", request.modality, "image_32x32", budget, request.params_total, laws)
    if budget.flops is not None:
        return _for_budget(request, budget, laws)
    if request.params_total is not None:
        return _for_size(request, request.params_total, laws)
    if request.law == ALIGNMENT:
        return _alignment(laws)
    raise MissingInput((("compute_flops",), ("params_total",), ("budget_usd",)), "a diffusion plan")


def _for_budget(request: DiffusionRequest, budget: Budget, laws: LawBook) -> Result:
    assert budget.flops is not None
    C = plain(budget.flops)
    size = law_value(laws, FRONTIER, "optimum", {"C": C}, "N_opt", label="diffusion transformer size")
    values = {
        "params_total": size,
        "tokens": law_value(laws, FRONTIER, "optimum", {"C": C}, "D_opt", label="training tokens (latent patches and text)"),
        "diffusion_loss": law_value(laws, FRONTIER, "optimum", {"C": C}, "L", label="velocity-matching loss"),
        "fid_clip": law_value(laws, FRONTIER, "optimum", {"C": C}, "FID", label="FID on CLIP features"),
        "compute_flops": budget.flops,
    }
    warnings = [*budget.notices, *extrapolated(size, FRONTIER)]
    if request.params_total is not None:
        values |= _stated_size(request.params_total, C)
        warnings.append(Notice(level="info", text="The stated size is shown beside the optimum of the law.", source=FRONTIER))
    table = grid_table(
        laws, "budgets", "Optimum at nearby budgets", FRONTIER, "optimum", ("C", [C * f for f in _FACTORS]), ("N_opt", "D_opt", "L", "FID")
    )
    return Result(
        tool="diffusion",
        task="diffusion",
        headline=["params_total", "tokens", "diffusion_loss", "fid_clip"],
        values=values,
        tables=[table, _steps_table(laws)],
        alternatives=_other_optima(C, laws),
        assumptions=[*budget.assumptions, _six_nd()],
        warnings=warnings,
        reasons=[
            "The isoFLOP fit of Liang et al. is the one published frontier of diffusion transformers;"
            " its size and data lines satisfy C = 6ND together."
        ],
    )


def _stated_size(N: float, C: float) -> dict[str, Value]:
    return {
        "stated_params": Value(value=N, unit="params", label="stated size", quantity="params_total", source="the question"),
        "stated_tokens": Value(
            value=C / (FLOPS_PER_PARAM_TOKEN * N),
            unit="tokens",
            label="tokens the budget gives the stated size",
            quantity="tokens",
            formula="D = C/(6 N)",
            inputs={"C": C, "N": N},
        ),
    }


def _six_nd() -> Assumption:
    return Assumption(field="flops_per_param_token", value=FLOPS_PER_PARAM_TOKEN, source="C = 6ND, the convention of Liang et al. 2024")


def _other_optima(C: float, laws: LawBook) -> list[Alternative]:
    pf_days = {"C": C / 8.64e19}
    found = [
        other(
            "cross-attention transformer",
            "only the exponents are published: growth for ten times the compute",
            params_ratio=law_value(laws, FRONTIER, "ratio", {"C_ratio": 10}, "N_ratio", "cross_attention"),
        )
    ]
    for variant in ("image_32x32", "image_vq_32x32"):
        value = law_value(laws, PIXELS, "optimum", pf_days, "N_opt", variant, "autoregressive image transformer size")
        found.append(other(f"{PIXELS} {variant}", "autoregressive, without embeddings, Kaplan-style exponents", params_nonembedding=value))
    return found


def _for_size(request: DiffusionRequest, N: float, laws: LawBook) -> Result:
    values = {
        "compute_flops": law_value(laws, FRONTIER, "compute_for_params", {"N": N}, "C", label="compute for which the size is optimal"),
        "tokens": law_value(laws, FRONTIER, "compute_for_params", {"N": N}, "D", label="training tokens there"),
    }
    C = plain(values["compute_flops"])
    values["diffusion_loss"] = law_value(laws, FRONTIER, "optimum", {"C": C}, "L", label="velocity-matching loss there")
    values["fid_clip"] = law_value(laws, FRONTIER, "optimum", {"C": C}, "FID", label="FID on CLIP features there")
    values["params_total"] = Value(value=N, unit="params", label="stated size", quantity="params_total", source="the question")
    warnings = extrapolated(values["compute_flops"], FRONTIER)
    if request.tokens is not None:
        ratio = request.tokens / plain(values["tokens"])
        values["tokens_over_optimal"] = Value(
            value=ratio,
            label="stated tokens over the optimal",
            quantity="ratio",
            formula="D/D_opt",
            inputs={"D": request.tokens, "D_opt": values["tokens"].value},
        )
    table = grid_table(laws, "tifa", "TIFA alignment by size", ALIGNMENT, "tifa_size", ("N", [400, 900, 2400, 4100]), ("S",))
    return Result(
        tool="diffusion",
        task="diffusion",
        headline=["compute_flops", "tokens", "diffusion_loss"],
        values=values,
        tables=[table, _steps_table(laws)],
        assumptions=[_six_nd()],
        warnings=warnings,
        reasons=["The published size frontier is inverted: it says for which budget a size is the best one."],
    )


def _alignment(laws: LawBook) -> Result:
    values = {"tifa": law_value(laws, ALIGNMENT, "tifa_compute", {"C": 1e12}, label="TIFA at the largest fitted compute")}
    tables = [
        grid_table(laws, "tifa_compute", "TIFA by compute", ALIGNMENT, "tifa_compute", ("C", [1e11, 3e11, 1e12]), ("S",)),
        grid_table(laws, "tifa_size", "TIFA by size", ALIGNMENT, "tifa_size", ("N", [400, 900, 2400, 4100]), ("S",)),
        grid_table(laws, "tifa_data", "TIFA by data", ALIGNMENT, "tifa_data", ("D", [1800, 3600, 7300]), ("S",)),
    ]
    reading = law_value(laws, ALIGNMENT, "tifa_size_in_billions", {"N": 0.9}, label="TIFA at 0.9B, second reading of the size law")
    return Result(
        tool="diffusion",
        task="diffusion",
        headline=["tifa"],
        values=values,
        tables=tables,
        alternatives=[other("second reading of the size law", "exponent as printed with N in billions", tifa=reading)],
        warnings=[
            Notice(
                level="caution",
                text="The printed size exponent must be a misprint; two readings differ below the middle of the range.",
                source=ALIGNMENT,
            )
        ],
    )


def _sampling(request: DiffusionRequest, laws: LawBook) -> Result:
    assumptions: list[Assumption] = []
    depth, steps = request.depth or _DEPTH, request.sampling_steps or _SAMPLING_STEPS
    if request.depth is None:
        assumptions.append(Assumption(field="depth", value=_DEPTH, unit="layers", source="the largest model of Esser et al. 2024 (8B)"))
    if request.sampling_steps is None:
        assumptions.append(Assumption(field="sampling_steps", value=_SAMPLING_STEPS, unit="steps", source="a usual few-step setting"))
    drop = law_value(laws, SAMPLING, "clip_drop", {"depth": depth, "steps": steps}, label="drop of the CLIP score against 50 steps")
    saved = law_value(laws, FEW_STEPS, "compute_ratio", {"steps_from": 50, "steps_to": steps}, label="inference compute against 50 steps")
    values = {
        "clip_drop_percent": drop,
        "compute_ratio": saved,
        "path_length": law_value(laws, SAMPLING, "path_length", {"depth": depth}, label="length of the sampling path"),
        "depth": Value(value=depth, unit="layers", label="depth"),
        "sampling_steps": Value(value=steps, unit="steps", label="sampling steps"),
    }
    few = [
        other(
            f"{FEW_STEPS} {steps_few} steps",
            "retrained flow (Rectified Diffusion, SD 1.5), COCO-2017",
            fid_over_25_steps=law_value(laws, FEW_STEPS, "fid_by_steps", {"NFE": steps_few}, "FID_over_25_step_FID"),
        )
        for steps_few in (1, 2)
    ]
    return Result(
        tool="diffusion",
        task="diffusion",
        headline=["clip_drop_percent", "compute_ratio"],
        values=values,
        tables=[_steps_table(laws)],
        alternatives=few,
        assumptions=assumptions,
        warnings=extrapolated(drop, SAMPLING),
        reasons=[
            "The published table is read at the stated depth and steps, interpolated between its entries;"
            " deeper models lose less when steps are cut."
        ],
    )


def _steps_table(laws: LawBook) -> Table:
    rows: list[list[float | int | str | bool | None]] = [
        [depth, *(plain(law_value(laws, SAMPLING, "clip_drop", {"depth": depth, "steps": steps})) for steps in _STEPS)] for depth in _DEPTHS
    ]
    columns = [Column(name="depth", unit="layers"), *(Column(name=f"steps_{steps}", label=f"{steps} steps", unit="%") for steps in _STEPS)]
    return Table(
        name="sampling_steps",
        title="Drop of the CLIP score with fewer than 50 sampling steps",
        columns=columns,
        rows=rows,
        note="Esser et al. 2024, Table 6",
    )
