"""`multimodal`: zero-shot error of CLIP-like models from compute, and sizes of autoregressive image, video and maths models."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from knowledge.errors import InputError, MissingInput
from knowledge.library import LawBook
from tools._law_values import law_value
from tools._modality import ModalityRequest, budget_of, extrapolated, grid_table, other, plain
from tools.budget import Budget
from tools.convert import flops_to_pf_days
from tools.registry import tool
from tools.result import Alternative, Assumption, Column, Notice, Result, Table, Value

CLIP, COMPARE, AUTOREGRESSIVE = "cherti2023_clip", "nezhurina2025_clip_mammut", "henighan2020"
_GMAC_FLOPS = 6e9  # training FLOP per forward GMAC: 2 per multiply-accumulate, backward twice the forward pass
_GFLOP_FLOPS = 3e9  # training FLOP per forward GFLOP
_DEFAULT_GMAC = 1e12  # a round budget inside both fits
_DEFAULT_MODALITY = "image_32x32"
_GRID_GFLOP = (1e9, 3e9, 1e10, 3e10, 1e11, 3e11, 1e12)
_TASKS = ("imagenet1k", "imagenet_robustness", "mscoco_image_retrieval", "flickr30k_image_retrieval", "vtab")


class MultimodalRequest(ModalityRequest):
    """A question on image-text or autoregressive multimodal models: fields of the brief and a run's own counts."""

    modality: str | None = Field(None, description="variant of Henighan et al. 2020, such as image_32x32 or video_vq_16x16x16")
    forward_gmac: float | None = Field(None, gt=0, description="forward GMAC of both towers over the run")
    gmac_per_sample: float | None = Field(None, gt=0)
    samples_seen: float | None = Field(None, gt=0, description="image-text pairs, repetitions counted")
    target_error: float | None = Field(None, gt=0, lt=1, description="zero-shot ImageNet error to reach")
    architecture: str | None = None


@tool(task="multimodal", title="Zero-shot error of image-text models, sizes of multimodal models")
def multimodal(request: MultimodalRequest, laws: LawBook) -> Result:
    """CLIP error at a compute (Cherti et al. 2023), CLIP or MaMMUT (Nezhurina et al. 2025), or sizes per modality (Henighan et al. 2020).

    Raises InputError for an unknown modality, MissingInput when a modality is named without compute or size.
    """
    budget = budget_of(request)
    if request.law == AUTOREGRESSIVE or request.modality is not None:
        return _autoregressive(request, budget, laws)
    if request.target_error is not None:
        return _compute_for(request.target_error, laws)
    gmac, assumed = _forward_gmac(request, budget)
    if gmac is None or request.law == COMPARE:
        return _compare(gmac, assumed, laws)
    return _clip_error(gmac, [*assumed, *budget.assumptions], budget, laws)


def _forward_gmac(request: MultimodalRequest, budget: Budget) -> tuple[float | None, list[Assumption]]:
    """Forward GMAC of the run, from itself, the architecture and samples, or training FLOP; a round default when a CLIP law is named."""
    if request.forward_gmac is not None:
        return request.forward_gmac, []
    if request.gmac_per_sample is not None and request.samples_seen is not None:
        return request.gmac_per_sample * request.samples_seen, []
    if budget.flops is not None:
        return plain(budget.flops) / _GMAC_FLOPS, [
            Assumption(
                field="flops_per_forward_gmac",
                value=_GMAC_FLOPS,
                unit="FLOP/GMAC",
                source="two FLOP per multiply-accumulate, backward twice the forward pass",
            )
        ]
    if request.law == CLIP:
        return _DEFAULT_GMAC, [
            Assumption(
                field="forward_gmac", value=_DEFAULT_GMAC, unit="GMAC", source="no compute stated in FLOP: a round number inside the fit"
            )
        ]
    return None, []


def _clip_error(gmac: float, assumed: list[Assumption], budget: Budget, laws: LawBook) -> Result:
    at: Mapping[str, float] = {"C": gmac}
    error = law_value(laws, CLIP, "error", at, "err", label="zero-shot ImageNet error, trained on LAION")
    values = {
        "error": error,
        "accuracy": law_value(laws, CLIP, "error", at, "acc", label="zero-shot ImageNet accuracy, trained on LAION"),
        "forward_gmac": Value(value=gmac, unit="GMAC", label="forward compute of both towers", quantity="gmacs"),
        "compute_flops": budget.flops
        or Value(
            value=gmac * _GMAC_FLOPS,
            unit="FLOP",
            label="training compute",
            quantity="flops",
            formula="6e9 FLOP per forward GMAC",
            inputs={"C": gmac},
        ),
        "compute_factor_to_halve": law_value(laws, CLIP, "compute_factor", {"reduction": 2}, label="compute factor that halves the error"),
    }
    gflop = 2 * gmac
    rivals = [
        other(
            f"{COMPARE} {name} on DataComp",
            "refit of best-of-sweep tables",
            error=law_value(laws, COMPARE, "error", {"C": gflop}, "err", variant, "zero-shot ImageNet error"),
            samples=law_value(laws, COMPARE, "optimum", {"C": gflop}, "D_opt", f"{variant}_samples", "pairs to see"),
        )
        for name, variant in (("CLIP", "clip_datacomp_imagenet1k"), ("MaMMUT", "mammut_datacomp_imagenet1k"))
    ]
    openai = other(f"{CLIP} OpenAI data", "three models only", error=law_value(laws, CLIP, "error", at, "err", "openai_imagenet1k"))
    pools = [
        other(f"{CLIP} {pool} pool", "all models of the pool, repeats included", error=law_value(laws, CLIP, "error", at, "err", variant))
        for pool, variant in (("LAION-400M", "openclip_imagenet1k_laion400m"), ("LAION-80M", "openclip_imagenet1k_laion80m"))
    ]
    return Result(
        tool="multimodal",
        task="multimodal",
        headline=["error", "accuracy"],
        values=values,
        tables=[_by_task(gmac, laws)],
        alternatives=[openai, *rivals, *pools],
        assumptions=assumed,
        warnings=[*budget.notices, *extrapolated(error, CLIP)],
        reasons=["The line is the frontier of many open models; a single run with many repeats lies above it."],
    )


def _by_task(gmac: float, laws: LawBook) -> Table:
    rows: list[list[float | int | str | bool | None]] = [
        [task, *(plain(law_value(laws, CLIP, "error", {"C": gmac}, "err", f"{data}_{task}")) for data in ("openclip", "openai"))]
        for task in _TASKS
    ]
    columns = [Column(name="benchmark"), Column(name="laion", label="LAION"), Column(name="openai", label="OpenAI data")]
    return Table(name="tasks", title="Zero-shot error by benchmark", columns=columns, rows=rows, note="retrieval: 1 - recall@5")


def _compare(gmac: float | None, assumed: list[Assumption], laws: LawBook) -> Result:
    crossing = _crossover(laws)
    variants = ("clip_datacomp_imagenet1k", "mammut_datacomp_imagenet1k")
    rows: list[list[float | int | str | bool | None]] = []
    for C in _GRID_GFLOP:
        clip, mammut = (plain(law_value(laws, COMPARE, "error", {"C": C}, "err", variant)) for variant in variants)
        rows.append([C * _GFLOP_FLOPS, clip, mammut, "CLIP" if clip < mammut else "MaMMUT"])
    columns = [
        Column(name="compute", label="training compute", unit="FLOP"),
        Column(name="clip", label="CLIP error"),
        Column(name="mammut", label="MaMMUT error"),
        Column(name="better"),
    ]
    values = {
        "crossover_compute_flops": crossing,
        "better_below": Value(value="CLIP", label="better below the crossover", law=COMPARE),
        "better_above": Value(value="MaMMUT", label="better above the crossover", law=COMPARE),
    }
    headline = ["better_below", "crossover_compute_flops"]
    if gmac is not None:
        for name, variant in zip(("clip_error", "mammut_error"), variants, strict=True):
            values[name] = law_value(
                laws, COMPARE, "error", {"C": 2 * gmac}, "err", variant, f"zero-shot ImageNet error, {name.split('_')[0]}"
            )
        headline = ["clip_error", "mammut_error", *headline]
    return Result(
        tool="multimodal",
        task="multimodal",
        headline=headline,
        values=values,
        assumptions=assumed,
        tables=[Table(name="comparison", title="Zero-shot ImageNet error on DataComp by compute", columns=columns, rows=rows)],
        warnings=[
            Notice(
                level="info",
                source=COMPARE,
                text="The curves are refitted from best-of-sweep tables and hold for unique pairs; near the crossover "
                "the difference is below the error of the fit.",
            )
        ],
        reasons=["Both architectures were trained in the same sweep on the same data, so their curves can be compared."],
    )


def _crossover(laws: LawBook) -> Value:
    """Compute above which MaMMUT's refitted ImageNet error stays below CLIP's, by bisection in log compute."""
    import numpy as np

    from tools._law_values import law_numbers
    from tools.forms._solve import bisect

    def gain(log_c: float) -> float:
        clip, mammut = (
            law_numbers(laws, COMPARE, "error", {"C": np.exp(log_c)}, variant)["err"]
            for variant in ("clip_datacomp_imagenet1k", "mammut_datacomp_imagenet1k")
        )
        return clip - mammut

    crossing = float(np.exp(bisect(gain, np.log(1e9), np.log(1e12))))
    return Value(
        value=crossing * _GFLOP_FLOPS,
        unit="FLOP",
        label="training compute at which MaMMUT overtakes CLIP on ImageNet",
        quantity="flops",
        law=COMPARE,
        relation="error",
        formula="both error curves equal; 3 FLOP per forward FLOP",
        inputs={"forward_gflop": crossing},
        source="refit of Nezhurina et al. 2025, arXiv:2506.04598",
    )


def _compute_for(error: float, laws: LawBook) -> Result:
    values = {
        "compute_flops": law_value(
            laws, CLIP, "compute_for_error", {"err": error}, "training_FLOP", label="training compute for the error"
        ),
        "forward_gmac": law_value(laws, CLIP, "compute_for_error", {"err": error}, "C", label="forward compute"),
    }
    found: list[Alternative] = []
    for name, variant in (("CLIP", "clip_datacomp_imagenet1k"), ("MaMMUT", "mammut_datacomp_imagenet1k")):
        try:
            gflop = law_value(laws, COMPARE, "compute_for_error", {"err": error}, "C", variant, "forward GFLOP")
        except InputError:
            continue  # below the floor of that curve
        found.append(other(f"{COMPARE} {name}", "on DataComp", forward_gflop=gflop))
    return Result(
        tool="multimodal",
        task="multimodal",
        headline=["compute_flops"],
        values=values,
        alternatives=found,
        warnings=extrapolated(values["compute_flops"], CLIP),
    )


def _autoregressive(request: MultimodalRequest, budget: Budget, laws: LawBook) -> Result:
    modality = request.modality or _DEFAULT_MODALITY
    known = laws.get(AUTOREGRESSIVE).variants_of("optimum")
    if modality not in known:
        raise InputError("modality", f"no law for {modality!r}", f"one of {', '.join(known)}")
    assumed = (
        []
        if request.modality
        else [Assumption(field="modality", value=modality, source="images of 32 x 32 pixels, the common case of the paper")]
    )
    if budget.flops is None and request.params_total is None:
        raise MissingInput((("compute_flops",), ("params_total",)), "a size per modality")
    values: dict[str, Value] = {}
    tables: list[Table] = []
    if budget.flops is not None:
        C = flops_to_pf_days(plain(budget.flops))
        values |= {
            "params_nonembedding": law_value(laws, AUTOREGRESSIVE, "optimum", {"C": C}, "N_opt", modality, "size without embeddings"),
            "tokens": law_value(laws, AUTOREGRESSIVE, "optimum", {"C": C}, "D_opt", modality, "training tokens"),
            "loss": law_value(laws, AUTOREGRESSIVE, "loss_of_compute", {"C": C}, "L", modality, "loss on the compute frontier"),
            "compute_flops": budget.flops,
        }
        rows: list[list[float | int | str | bool | None]] = [
            [
                name,
                plain(law_value(laws, AUTOREGRESSIVE, "optimum", {"C": C}, "N_opt", name)),
                plain(law_value(laws, AUTOREGRESSIVE, "loss_of_compute", {"C": C}, "L", name)),
            ]
            for name in known
        ]
        tables = [
            Table(
                name="modalities",
                title="Optimal size and loss by modality at the same compute",
                rows=rows,
                columns=[
                    Column(name="modality"),
                    Column(name="params_nonembedding", unit="params"),
                    Column(name="loss", unit="nats/token"),
                ],
                note="losses of different modalities do not compare",
            )
        ]
    else:
        N = request.params_total or 0.0
        values |= {
            "loss": law_value(laws, AUTOREGRESSIVE, "loss_of_params", {"N": N}, "L", modality, "converged loss"),
            "reducible_loss": law_value(laws, AUTOREGRESSIVE, "loss_of_params", {"N": N}, "reducible", modality, "part above the floor"),
        }
        tables = [
            grid_table(
                laws,
                "sizes",
                f"Converged loss by size, {modality}",
                AUTOREGRESSIVE,
                "loss_of_params",
                ("N", [N / 10, N / 3, N, 3 * N]),
                ("L", "reducible"),
                modality,
            )
        ]
    first = next(iter(values.values()))
    return Result(
        tool="multimodal",
        task="multimodal",
        headline=[key for key in values if key != "compute_flops"][:3],
        values=values,
        tables=tables,
        assumptions=[*assumed, *budget.assumptions],
        warnings=[
            *budget.notices,
            *extrapolated(first, AUTOREGRESSIVE),
            Notice(
                level="caution",
                source=AUTOREGRESSIVE,
                text="The size exponents come from the Kaplan-style procedure, which favours large models and few tokens.",
            ),
        ],
    )
