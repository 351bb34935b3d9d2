"""`time_series`: likelihood of a forecasting foundation model from size, data or compute (Yao et al. 2024)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from knowledge.errors import MissingInput
from knowledge.library import LawBook
from tools._law_values import law_value
from tools._modality import ModalityRequest, extrapolated, other, plain
from tools.budget import budget_of
from tools.convert import flops_to_pf_days
from tools.registry import tool
from tools.result import Alternative, Assumption, Column, Notice, Result, Table, Value

LAW = "yao2024_tsfm"
_KINDS = ("encoder", "decoder")
_SETS = {"id": "held-out part of the training corpus", "ood_lsf": "LSF", "ood_monash": "Monash"}


class TimeSeriesRequest(ModalityRequest):
    """A forecasting question; `tokens` are time points."""

    architecture: str | None = None
    unique_tokens: float | None = Field(default=None, gt=0)
    test_set: Literal["id", "ood_lsf", "ood_monash"] | None = Field(default=None, description="in distribution, or one of two outside it")
    target_loss: float | None = Field(default=None, gt=0, description="negative log-likelihood, nats per point")


@tool(task="time_series", title="Likelihood, size and data of a forecasting foundation model")
def time_series(request: TimeSeriesRequest, laws: LawBook) -> Result:
    """NLL from params, time points or compute, with the data a size calls for. Raises MissingInput when none of them is stated."""
    budget = budget_of(request)
    kind, assumed = _kind(request)
    test_set = request.test_set or "id"
    if request.test_set is None:
        assumed.append(Assumption(field="test_set", value="id", source="in distribution; the others are in the table"))
    data = request.tokens or request.unique_tokens
    axes = [
        ("n", "loss_of_params", "N", request.params_total),
        ("d", "loss_of_data", "D", data),
        ("c", "loss_of_true_compute", "C", flops_to_pf_days(plain(budget.flops)) if budget.flops else None),
    ]
    known = [(axis, relation, name, value) for axis, relation, name, value in axes if value is not None]
    if not known and request.target_loss is None:
        raise MissingInput((("params_total",), ("tokens",), ("compute_flops",)), "a forecast of likelihood")
    values: dict[str, Value] = {}
    tables: list[Table] = []
    alternatives: list[Alternative] = []
    for axis, relation, name, value in known:
        label = {"n": "size", "d": "data", "c": "compute"}[axis]
        values[f"nll_{label}"] = law_value(laws, LAW, relation, {name: value}, "L", f"{kind}_{axis}_{test_set}", f"NLL, limited by {label}")
        tables.append(_variants(laws, axis, relation, name, float(value)))
        rival = _KINDS[1 - _KINDS.index(kind)]
        alternatives.append(
            other(
                f"{LAW} {rival}-only",
                f"by {label}",
                nll=law_value(
                    laws, LAW, relation, {name: value}, "L", f"{rival}_{axis}_{test_set}", f"NLL of {rival}-only, limited by {label}"
                ),
            )
        )
    headline = _combine(request, laws, kind, test_set, values)
    if request.architecture is None and alternatives:
        rival_key = f"nll_{_KINDS[1 - _KINDS.index(kind)]}"
        values[rival_key] = max((option.values["nll"] for option in alternatives), key=plain)
        headline.insert(1, rival_key)
    warnings = [note for key in tuple(values) for note in extrapolated(values[key], LAW)]
    warnings.append(
        Notice(
            level="caution",
            source=LAW,
            text="Exponents are small and rounded: read differences between settings, not absolute values; never extrapolate by decades.",
        )
    )
    return Result(
        tool="time_series",
        task="time_series",
        headline=headline,
        values=values,
        tables=tables,
        alternatives=alternatives,
        assumptions=[*assumed, *budget.assumptions],
        warnings=[*budget.notices, *warnings],
        reasons=["Encoder-only models scale better in size and compute; data helps in distribution far more than outside it."],
    )


def _kind(request: TimeSeriesRequest) -> tuple[str, list[Assumption]]:
    words = (request.architecture or "").lower()
    for kind in _KINDS:
        if kind in words:
            return kind, []
    return "encoder", [Assumption(field="architecture", value="encoder", source="encoder-only, the better of the two in Yao et al. 2024")]


def _combine(request: TimeSeriesRequest, laws: LawBook, kind: str, test_set: str, values: dict[str, Value]) -> list[str]:
    """The binding NLL, the data a size calls for and the size a loss calls for; returns the headline."""
    losses = {key: plain(value) for key, value in values.items() if key.startswith("nll_")}
    headline: list[str] = []
    if losses:
        binding = max(losses, key=lambda key: losses[key])
        several = ", the larger of the limits" if len(losses) > 1 else ""
        values["nll"] = values[binding].model_copy(update={"label": f"expected NLL, {kind}-only{several}"})
        headline.append("nll")
    if request.params_total is not None and request.tokens is None:
        balance = losses["nll_size"]
        values["tokens_for_size"] = law_value(
            laws, LAW, "data_for_loss", {"L": balance}, "D", f"{kind}_d_{test_set}", "time points at which data stops being the limit"
        )
        headline.append("tokens_for_size")
    if request.target_loss is not None:
        for key, relation, axis, output, label in (
            ("params_for_loss", "params_for_loss", "n", "N", "size for the target"),
            ("tokens_for_loss", "data_for_loss", "d", "D", "time points for the target"),
        ):
            found = law_value(laws, LAW, relation, {"L": request.target_loss}, output, f"{kind}_{axis}_{test_set}", label)
            if plain(found) >= 1:  # a loss that even nothing reaches is no target
                values[key] = found
                headline.append(key)
    return headline


def _variants(laws: LawBook, axis: str, relation: str, name: str, value: float) -> Table:
    rows: list[list[float | int | str | bool | None]] = []
    for key, label in _SETS.items():
        rows.append([label, *(plain(law_value(laws, LAW, relation, {name: value}, "L", f"{kind}_{axis}_{key}")) for kind in _KINDS)])
    columns = [Column(name="test_set", label="test set"), *(Column(name=kind, label=f"{kind}-only", unit="nats/point") for kind in _KINDS)]
    return Table(name=f"nll_by_{name}", title=f"NLL by test set and architecture at {name}", columns=columns, rows=rows)
