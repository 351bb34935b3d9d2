"""`vocabulary`: the best vocabulary size for a model or a budget, and whether a given one is too large."""

from __future__ import annotations

from pydantic import Field

from knowledge.errors import MissingInput
from knowledge.library import LawBook
from knowledge.shapes import model as known_model
from tools._law_values import arithmetic, law_value
from tools._named_law import uses_laws
from tools.law import evaluate
from tools.registry import ToolRequest, tool
from tools.result import Alternative, Assumption, Notice, Result, Value

LAW = "tao2024_vocab"
NEEDS = (("params_total",), ("compute_flops",))
_APPROACHES = ("vocab_approach1", "vocab_approach2", "vocab_approach3")
_NAMES = {"vocab_approach1": "approach 1, isoFLOP", "vocab_approach2": "approach 2, derivative", "vocab_approach3": "approach 3, loss fit"}


class VocabularyRequest(ToolRequest):
    """A model size, a budget, or a vocabulary to judge; fields and units of the brief."""

    params_total: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)
    compute_flops: float | None = Field(default=None, gt=0)
    vocab_size: float | None = Field(default=None, ge=2)
    model: str | None = None
    law: str | None = None


@tool(task="vocabulary", title="The best vocabulary size", needs=NEEDS)
@uses_laws(LAW)
def vocabulary(request: VocabularyRequest, laws: LawBook) -> Result:
    """Best vocabulary of a size or budget by three approaches (Tao et al. 2024); their spread is the interval.

    The stated params are taken as the non-vocabulary ones, as in the paper's tables. Raises MissingInput without size and budget.
    """
    width = float(known_model(request.model).hidden) if request.model else 0.0
    size = _size(request, width, laws)
    N = size.number
    F = _flops(request, N)
    found = {
        name: evaluate(laws.get(LAW), name, {"N_nv": N, "d": width, **({"F": F} if name == "vocab_approach3" else {})}).values
        for name in _APPROACHES
    }
    best = _spread(found)
    values = {
        "vocab_size": best,
        "params_vocabulary": found["vocab_approach3"]["N_v"].model_copy(update={"label": "parameters of one vocabulary table"}),
    }
    assumptions: list[Assumption] = []
    if request.params_total is None:
        values["params_nonvocabulary"] = size
    else:
        source = "the stated size is taken without its vocabulary table, as in Tao et al. 2024"
        assumptions.append(Assumption(field="params_nonvocabulary", value=N, unit="params", source=source))
    values["width"] = found["vocab_approach3"]["d"].model_copy(update={"label": "embedding width", "outside": []})
    if width == 0.0:
        assumptions.append(
            Assumption(
                field="width",
                value=values["width"].value,
                source="the authors' embedding width for this size; for another width keep the vocabulary parameters",
            )
        )
    headline = ["vocab_size", "params_vocabulary"]
    if request.vocab_size is not None:
        values |= _judge(request.vocab_size, N, best, values["width"].number)
        headline = ["verdict", "vocab_size", "ratio_to_best"]
    return Result(
        tool="vocabulary",
        task="vocabulary",
        headline=headline,
        values=values,
        assumptions=assumptions,
        warnings=_warnings(F),
        alternatives=[Alternative(name=_NAMES[name], values={"vocab_size": found[name]["V"]}) for name in _APPROACHES],
        reasons=["Larger models deserve larger vocabularies; vocabulary parameters should grow more slowly than the rest of the model."],
    )


def _size(request: VocabularyRequest, width: float, laws: LawBook) -> Value:
    """Params without vocabulary: the stated size, else the best for the budget. Raises MissingInput without either."""
    if request.params_total is not None:
        return Value(value=request.params_total, unit="params", source="the question")
    if request.compute_flops is None:
        raise MissingInput(NEEDS, "the best vocabulary")
    given = {"F": request.compute_flops, "d": width}
    return law_value(laws, LAW, "allocation", given, "N_nv", label="model without vocabulary, best for the budget")


def _flops(request: VocabularyRequest, N: float) -> float:
    """Training compute for approach 3; 0 stands for the size's own optimal budget."""
    if request.compute_flops is not None and request.params_total is not None:
        return request.compute_flops
    return 6 * N * request.tokens if request.tokens is not None else request.compute_flops or 0.0


def _spread(found: dict[str, dict[str, Value]]) -> Value:
    sizes = [values["V"].number for values in found.values()]
    return found["vocab_approach3"]["V"].model_copy(
        update={"low": min(sizes), "high": max(sizes), "interval_basis": "the paper's three approaches"}
    )


def _judge(V: float, N: float, best: Value, width: float) -> dict[str, Value]:
    low, high = best.low or best.number, best.high or best.number
    verdict = "too large" if high < V else "too small" if low > V else "about right"
    return {
        "verdict": arithmetic(verdict, "the stated vocabulary is"),
        "ratio_to_best": arithmetic(V / best.number, "stated vocabulary over the best", "", "ratio", "V / V_best"),
        "vocabulary_share": arithmetic(
            V * width / (N + V * width),
            "share of the parameters in one vocabulary table",
            "",
            "fraction",
            "V d/(N + V d)",
            inputs={"V": V, "d": width, "N": N},
        ),
    }


def _warnings(F: float) -> list[Notice]:
    notices = [
        Notice(
            level="caution",
            source=LAW,
            text="The loss fit takes the vocabulary in thousands by mistake; refitted with true "
            "counts its optimum falls to about 27K at 7B and 66K at 70B. "
            "The other two approaches are not affected.",
        )
    ]
    if F > 0:
        notices.append(
            Notice(
                level="info",
                text="Only the loss fit can use a training budget other than the size's own optimum; the other two assume that optimum.",
                source=LAW,
            )
        )
    return notices
