"""`video`: size of a video diffusion transformer for a budget, its batch size and learning rate (Yin et al. 2024)."""

from __future__ import annotations

from pydantic import Field

from knowledge.errors import MissingInput
from knowledge.library import LawBook
from tools._autoregressive import LAW as AUTOREGRESSIVE
from tools._autoregressive import autoregressive
from tools._law_values import law_value
from tools._modality import ModalityRequest, extrapolated, grid_table, other, plain
from tools.budget import Budget, budget_of
from tools.convert import FLOPS_PER_PARAM_TOKEN, flops_to_pf_days
from tools.registry import tool
from tools.result import Assumption, Notice, Result, Value

SIZE, HYPER = "yin2024_videodit", "yin2024_video_hparams"
# The paper's own example, the one point where its size law meets a stated compute: 0.64B at 1e10 TFLOP.
_EXAMPLE_FLOPS, _EXAMPLE_PARAMS = 1e22, 6.4e8
_COMPUTE_RATIO = 10.0
_RATIOS = (2.0, 4.0, 10.0, 100.0)


class VideoRequest(ModalityRequest):
    """A video question: fields of the brief, a factor of compute, and a tuned smaller run to scale from."""

    modality: str | None = Field(default=None, description="variant of Henighan et al. 2020, where that law is asked for")
    compute_ratio: float | None = Field(default=None, gt=0, description="factor by which compute changes")
    anchor_params: float | None = Field(default=None, gt=0)
    anchor_tokens: float | None = Field(default=None, gt=0)
    anchor_batch_tokens: float | None = Field(default=None, gt=0)
    anchor_learning_rate: float | None = Field(default=None, gt=0)


@tool(task="video", title="Size and hyperparameters of a video diffusion model")
def video(request: VideoRequest, laws: LawBook) -> Result:
    """Optimal size for a budget, or batch and learning rate for params and tokens (Yin et al. 2024, eqs. 10, 13, 14).

    Raises MissingInput when the question states neither.
    """
    budget = budget_of(request)
    if request.law == AUTOREGRESSIVE:
        return autoregressive("video", request.modality, "video_vq_16x16x16", budget, request.params_total, laws)
    if budget.flops is not None:
        return _for_budget(budget, laws)
    if request.params_total is not None and request.tokens is not None:
        return _hyperparameters(request, request.params_total, request.tokens, laws)
    if request.params_total is not None and request.compute_ratio is None:
        return _for_size(request.params_total, laws)
    if request.compute_ratio is not None or request.law is not None:
        return _growth(request, laws)
    raise MissingInput((("compute_flops",), ("params_total", "tokens"), ("params_total",)), "a video plan")


def _unit_notice() -> Notice:
    return Notice(
        level="caution",
        source=SIZE,
        text="The unit of compute behind the prefactor is not settled: the paper's own example puts a smaller model "
        "at the same budget. The interval spans both readings; the exponent is safe, so scale from a run of your own.",
    )


def _for_budget(budget: Budget, laws: LawBook) -> Result:
    assert budget.flops is not None
    C = plain(budget.flops)
    printed = law_value(laws, SIZE, "optimum", {"C": C}, label="video transformer size, compute read as FLOP")
    example = _scaled_example(C, laws)
    low, high = sorted((plain(printed), plain(example)))
    size = printed.model_copy(update={"low": low, "high": high, "level": None, "interval_basis": "two readings of the unit of compute"})
    tokens = Value(
        value=C / (FLOPS_PER_PARAM_TOKEN * plain(size)),
        unit="tokens",
        label="tokens the budget leaves at that size",
        quantity="tokens",
        formula="D = C/(6 N)",
        inputs={"C": C, "N": size.value},
        low=C / (FLOPS_PER_PARAM_TOKEN * high),
        high=C / (FLOPS_PER_PARAM_TOKEN * low),
        interval_basis="two readings of the unit of compute",
    )
    second = law_value(laws, SIZE, "optimum", {"C": C}, "N_opt", "second_fit", "size by the second published fit")
    pixels = law_value(
        laws, AUTOREGRESSIVE, "optimum", {"C": flops_to_pf_days(C)}, "N_opt", "video_vq_16x16x16", "autoregressive video transformer size"
    )
    table = grid_table(laws, "growth", "Growth of the optimal size with compute", SIZE, "ratio", ("C_ratio", _RATIOS), ("N_ratio",))
    return Result(
        tool="video",
        task="video",
        headline=["params_total", "tokens"],
        values={"params_total": size, "tokens": tokens, "params_from_example": example, "compute_flops": budget.flops},
        tables=[table],
        warnings=[_unit_notice(), *budget.notices],
        alternatives=[
            other(f"{SIZE} second fit", "equation 18", params_total=second),
            other(AUTOREGRESSIVE, "autoregressive on video tokens, without embeddings, Kaplan-style", params_nonembedding=pixels),
        ],
        assumptions=[
            *budget.assumptions,
            Assumption(field="flops_per_param_token", value=FLOPS_PER_PARAM_TOKEN, source="C = 6ND for the tokens that remain"),
        ],
        reasons=[
            "Yin et al. is the one published size law of video diffusion transformers;"
            " about a third off the optimum costs under a hundredth of the loss."
        ],
    )


def _scaled_example(C: float, laws: LawBook) -> Value:
    """The size of the paper's worked example, scaled to a budget: a reading that does not depend on the unit of compute."""
    growth = law_value(laws, SIZE, "ratio", {"C_ratio": C / _EXAMPLE_FLOPS})
    return Value(
        value=_EXAMPLE_PARAMS * plain(growth),
        unit="params",
        quantity="params",
        law=SIZE,
        relation="ratio",
        variant=growth.variant,
        label="size scaled from the paper's own example",
        formula="N = 0.64e9 (C/1e22)^a",
        inputs={"C": C},
        source=growth.source,
    )


def _hyperparameters(request: VideoRequest, N: float, T: float, laws: LawBook) -> Result:
    if None not in (request.anchor_params, request.anchor_tokens, request.anchor_batch_tokens, request.anchor_learning_rate):
        return _from_anchor(request, N, T, laws)
    both = {"T": T / 1e9, "N": N / 1e9}
    millions = {"T": T / 1e9, "N": N / 1e6}
    values: dict[str, Value] = {}
    for key, output, label in (("batch_tokens", "B_opt", "batch size"), ("learning_rate", "lr_opt", "constant learning rate")):
        one = law_value(laws, HYPER, "hyperparameters", both, output, label=label)
        two = law_value(laws, HYPER, "hyperparameters_n_in_millions", millions, output, label=f"{label}, size counted in millions")
        low, high = sorted((plain(one), plain(two)))
        values[key] = one.model_copy(update={"low": low, "high": high, "interval_basis": "two readings of the prefactor's units"})
        values[f"{key}_n_in_millions"] = two
    table = grid_table(
        laws,
        "scaling",
        "Batch and learning rate for ten times the tokens or the size",
        HYPER,
        "ratio",
        ("T_ratio", (1.0, 10.0)),
        ("B_ratio", "lr_ratio"),
        N_ratio=1.0,
    )
    notice = Notice(
        level="caution",
        source=HYPER,
        text="The paper prints its prefactors without units: the interval spans two plausible readings. "
        "Tune a small run and scale by the exponents, which are confirmed.",
    )
    return Result(
        tool="video",
        task="video",
        headline=["batch_tokens", "learning_rate"],
        values=values,
        tables=[table],
        assumptions=[
            Assumption(field="prefactor_units", value="tokens and params in billions", source="the plausible reading; the other is shown")
        ],
        warnings=[notice, *extrapolated(values["batch_tokens"], HYPER)],
        reasons=["Batch rises almost in line with tokens and the learning rate falls with size, unlike in language models."],
    )


def _from_anchor(request: VideoRequest, N: float, T: float, laws: LawBook) -> Result:
    given = {
        "B1": request.anchor_batch_tokens,
        "lr1": request.anchor_learning_rate,
        "T1": request.anchor_tokens,
        "N1": request.anchor_params,
        "T2": T,
        "N2": N,
    }
    values = {
        "batch_tokens": law_value(laws, HYPER, "from_anchor", given, "B2", label="batch size, scaled from the tuned run"),
        "learning_rate": law_value(laws, HYPER, "from_anchor", given, "lr2", label="constant learning rate, scaled from the tuned run"),
    }
    return Result(
        tool="video",
        task="video",
        headline=["batch_tokens", "learning_rate"],
        values=values,
        warnings=extrapolated(values["batch_tokens"], HYPER),
        reasons=["Ratios from a tuned run need no prefactor, whose units are open."],
    )


def _for_size(N: float, laws: LawBook) -> Result:
    compute = law_value(laws, SIZE, "compute_for_params", {"N_opt": N}, label="compute for which the size is optimal, read as FLOP")
    values = {"compute_flops": compute, "params_total": Value(value=N, unit="params", label="stated size", source="the question")}
    return Result(
        tool="video", task="video", headline=["compute_flops"], values=values, warnings=[_unit_notice(), *extrapolated(compute, SIZE)]
    )


def _growth(request: VideoRequest, laws: LawBook) -> Result:
    ratio = request.compute_ratio or _COMPUTE_RATIO
    assumed = (
        []
        if request.compute_ratio
        else [Assumption(field="compute_ratio", value=ratio, source="ten times, where the question states no number")]
    )
    values = {
        "params_ratio": law_value(laws, SIZE, "ratio", {"C_ratio": ratio}, label="growth of the optimal size"),
        "compute_ratio": Value(value=ratio, label="growth of compute", quantity="ratio"),
        "size_reduction": law_value(
            laws,
            SIZE,
            "size_reduction",
            {"N_fixed_hp": 30.05e9, "N_tuned_hp": 18.05e9},
            label="share saved by tuned hyperparameters, Movie Gen budget",
        ),
    }
    table = grid_table(laws, "growth", "Growth of the optimal size with compute", SIZE, "ratio", ("C_ratio", _RATIOS), ("N_ratio",))
    second = law_value(laws, SIZE, "ratio", {"C_ratio": ratio}, "N_ratio", "second_fit")
    return Result(
        tool="video",
        task="video",
        headline=["params_ratio", "compute_ratio"],
        values=values,
        tables=[table],
        assumptions=assumed,
        alternatives=[other(f"{SIZE} second fit", "equation 18", params_ratio=second)],
    )
