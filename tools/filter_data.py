"""`filter_data`: how hard a pool may be filtered before repeating the rest costs more than the quality gains."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from knowledge.errors import MissingInput
from knowledge.library import LawBook
from tools._law_values import arithmetic, law_numbers, law_value, table
from tools._named_law import uses_laws
from tools.convert import in_words
from tools.law import evaluate
from tools.registry import ToolRequest, tool
from tools.repeat_data import NO_NOTABLE_LOSS
from tools.result import Alternative, Assumption, Notice, Result, Table, Value
from tools.surface import DEFAULT_LAW

LAW = "goyal2024_qqt"
WORTH_LAW, SELECTION_LAW = "muennighoff2023", "brandfonbrener2024_colorfilter"
NEEDS = (("tokens",), ("compute_flops",), ("params_total",))
_KEPT = (0.1, 0.2, 0.3, 0.5, 1.0)
_EPOCHS = (1.0, 2.0, 4.0, 8.0, 16.0, 40.0)
_REASONS = (
    "Filter as hard as leaves enough unique tokens for the planned training; curation cannot be chosen without the compute it serves.",
    "No published law gives the quality gain of a text filter in numbers, so only the price of repetition is computed here.",
)


class FilterDataRequest(ToolRequest):
    """How much will be trained on, and how large the pool is; fields and units of the brief."""

    tokens: float | None = Field(default=None, gt=0, description="training tokens, repetitions counted")
    compute_flops: float | None = Field(default=None, gt=0)
    params_total: float | None = Field(default=None, gt=0)
    unique_tokens: float | None = Field(default=None, gt=0, description="tokens of the unfiltered pool")
    law: str | None = None


@tool(task="filter_data", title="How aggressively to filter a pool")
@uses_laws(LAW, WORTH_LAW, SELECTION_LAW)
def filter_data(request: FilterDataRequest, laws: LawBook) -> Result:
    """Least unique tokens a filter must leave for a training budget, and where filtering stops paying (Goyal et al. 2024).

    The worth of repeats is that of Muennighoff et al. 2023; the turning points of Goyal et al. are for image-text pairs. Raises
    MissingInput without tokens, compute or size, unless the turning points are asked for by law.
    """
    if request.law == LAW and all(v is None for v in (request.tokens, request.compute_flops, request.params_total)):
        return _turning(laws)
    assumptions: list[Assumption] = []
    D = _tokens(request, laws, assumptions)
    source = "a loss counts as notable below the mean worth of 4 epochs (Muennighoff et al. 2023)"
    assumptions.append(Assumption(field="share_of_fresh", value=NO_NOTABLE_LOSS, source=source))
    epochs = law_value(laws, WORTH_LAW, "epochs_for_share", {"share": NO_NOTABLE_LOSS}, label="epochs without a notable loss")
    values = {"tokens": arithmetic(D, "training tokens", "tokens", "tokens"), "epochs": epochs, **_pool_sizes(D, epochs.number)}
    headline = ["unique_tokens_needed", "pool_for_top_10", "pool_for_top_30"]
    tables = [_epoch_table(laws, D)]
    if request.unique_tokens is not None:
        values["keep_fraction"] = _keep_fraction(D, epochs.number, request.unique_tokens)
        headline.insert(0, "keep_fraction")
        tables.append(_pool_table(laws, D, request.unique_tokens))
    values |= _turning_points(laws)
    if request.params_total is not None:
        values["tokens_per_param"] = arithmetic(D / request.params_total, "tokens per parameter", "tokens/param", "tokens_per_param", "D/N")
    return Result(tool="filter_data", task="filter_data", headline=headline, values=values, tables=tables, assumptions=assumptions,
                  warnings=[_pairs()], alternatives=_selection(laws, D, request.params_total), reasons=list(_REASONS))  # fmt: skip


def _turning(laws: LawBook) -> Result:
    why = "A filtered pool is repeated sooner, and repeated samples lose their worth; from a point on fresh unfiltered data win."
    return Result(tool="filter_data", task="filter_data", headline=["crossover_samples", "crossover_epochs"], values=_turning_points(laws),
                  warnings=[_pairs()], reasons=[why])  # fmt: skip


def _pool_sizes(D: float, epochs: float) -> dict[str, Value]:
    """Unique tokens that training takes without notable loss, and the pools of which a tenth or a third holds them."""
    need = arithmetic(D / epochs, "unique tokens the filter should leave", "tokens", "unique_tokens", "tokens / epochs", law=WORTH_LAW,
                      relation="epochs_for_share", inputs={"tokens": D, "epochs": epochs})  # fmt: skip
    pools = {"unique_tokens_needed": need}
    for kept, name in ((0.1, "10"), (0.3, "30")):
        inputs = {"tokens": D, "epochs": epochs, "share_kept": kept}
        label = f"pool from which the top {name}% is enough"
        pools[f"pool_for_top_{name}"] = arithmetic(
            D / epochs / kept, label, "tokens", "unique_tokens", "tokens / (epochs x share kept)", inputs=inputs
        )
    return pools


def _keep_fraction(D: float, epochs: float, pool: float) -> Value:
    label, formula = "share of the pool to keep, at least", "tokens / (epochs x pool)"
    return arithmetic(min(1.0, D / epochs / pool), label, "", "fraction", formula, inputs={"tokens": D, "epochs": epochs, "pool": pool})


def _tokens(request: FilterDataRequest, laws: LawBook, assumptions: list[Assumption]) -> float:
    """Training tokens: stated, from compute and size, or compute-optimal by the default law."""
    if request.tokens is not None:
        return request.tokens
    if request.compute_flops is not None and request.params_total is not None:
        return request.compute_flops / (6 * request.params_total)
    if request.compute_flops is not None:
        found = evaluate(laws.get(DEFAULT_LAW), "optimum", {"C": request.compute_flops}).values
        assumptions.append(
            Assumption(field="params_total", value=found["N"].value, unit="params", source=f"compute-optimal by {DEFAULT_LAW}")
        )
    elif request.params_total is not None:
        found = evaluate(laws.get(DEFAULT_LAW), "optimum_for_params", {"N": request.params_total}).values
    else:
        raise MissingInput(NEEDS, "how hard to filter")
    assumptions.append(Assumption(field="tokens", value=found["D"].value, unit="tokens", source=f"compute-optimal by {DEFAULT_LAW}"))
    return found["D"].number


def _turning_points(laws: LawBook) -> dict[str, Value]:
    return {
        "crossover_samples": law_value(
            laws,
            LAW,
            "crossover",
            {},
            "threshold",
            label="samples seen at which the unfiltered pool overtakes the top-10% filter (image-text pairs)",
        ),
        "crossover_epochs": law_value(
            laws, LAW, "crossover_epochs", {}, "threshold", label="repetitions after which the unfiltered pool beats the top-10% filter"
        ),
    }


def _pairs() -> Notice:
    return Notice(
        level="caution",
        source=LAW,
        text="The turning points were measured for CLIP on image-text pairs from a pool of 128M; for text they are an analogy.",
    )


def _epoch_table(laws: LawBook, D: float) -> Table:
    worth = law_numbers(laws, WORTH_LAW, "repetition_value", {"epochs": np.array(_EPOCHS)})
    rows = [[e, D / e, float(s), float(m)] for e, s, m in zip(_EPOCHS, worth["share"], worth["marginal_value"], strict=True)]
    return table(
        "unique_by_epochs",
        f"Unique tokens a filter must leave for {in_words(D, 'tokens')} training tokens",
        {
            "epochs": ("epochs", ""),
            "unique_tokens": ("unique tokens left", "tokens"),
            "share_of_fresh": ("mean worth of a token", ""),
            "marginal_value": ("worth in the last epoch", ""),
        },
        rows,
    )


def _pool_table(laws: LawBook, D: float, pool: float) -> Table:
    kept = np.array(_KEPT)
    worth = law_numbers(laws, WORTH_LAW, "effective_data", {"D": D, "U_D": pool * kept})
    rows = [[float(x) for x in row] for row in zip(kept, pool * kept, worth["epochs"], worth["share"], worth["D_eff"], strict=True)]
    return table(
        "by_share_kept",
        f"What keeping a share of a pool of {in_words(pool, 'tokens')} tokens means",
        {
            "share_kept": ("share kept", ""),
            "unique_tokens": ("unique tokens", "tokens"),
            "epochs": ("epochs", ""),
            "share_of_fresh": ("mean worth of a token", ""),
            "effective_tokens": ("worth in fresh tokens of that quality", "tokens"),
        },
        rows,
    )


def _selection(laws: LawBook, D: float, N: float | None) -> list[Alternative]:
    """Model-based selection towards a target set: tokens it saved at 1.2B, and the compute of scoring."""
    values = {
        "tokens_books": law_value(
            laws, SELECTION_LAW, "tokens_needed", {"n_tokens": D}, variant="books", label="selected tokens of equal loss, target Books"
        ),
        "tokens_downstream": law_value(
            laws,
            SELECTION_LAW,
            "tokens_needed",
            {"n_tokens": D},
            variant="downstream",
            label="selected tokens of equal loss, multiple-choice tasks",
        ),
    }
    if N is not None:
        values["selection_over_training"] = law_value(
            laws, SELECTION_LAW, "selection_cost", {"n_tokens": D, "N": N}, "ratio", label="compute of scoring over that of training"
        )
    return [Alternative(name=SELECTION_LAW, values=values, note="if there is a target set; measured at 1.2B parameters and 25B tokens")]
