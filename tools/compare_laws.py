"""`compare_laws`: what several laws say about the same budget or the same run, side by side, and where they cannot be compared."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from knowledge.errors import InputError
from knowledge.library import LawBook
from knowledge.schema import LawCard
from tools.batch_size import compute_optimal
from tools.convert import FLOPS_PER_PARAM_TOKEN as K
from tools.law import evaluate
from tools.other_laws import ALLOCATION_LAWS, optimum_at
from tools.pretraining import LOSS_LAWS
from tools.registry import ToolRequest, tool
from tools.result import Alternative, Assumption, Notice, Result, Value

# What a law may be asked for at a point, best first: relations of these names, and the facts they may be fed.
_RELATIONS = ("optimum", "loss", "hyperparameters", "learning_rate", "lr", "optimal", "batch", "batch_size", "weight_decay")
_FACTS = {
    "params_total": "params_total",
    "params_nonembedding": "params_total",
    "params_total_nonembedding": "params_total",
    "params": "params_total",
    "params_without_input_embedding": "params_total",
    "params_active_nonembedding": "params_total",
    "tokens": "tokens",
    "flops": "compute_flops",
}


class CompareLawsRequest(ToolRequest):
    """Laws to compare (all of the kind when none are named) and the point to compare them at."""

    laws: list[str] | None = None
    compute_flops: float | None = Field(default=None, gt=0)
    params_total: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)


@tool(
    task="compare_laws",
    title="Laws compared",
    needs=(("compute_flops",), ("params_total", "tokens"), ("laws", "tokens"), ("laws", "params_total")),
)
def compare_laws(request: CompareLawsRequest, laws: LawBook) -> Result:
    """Every named law evaluated at one budget (its optimum) or one run (its loss, or the settings it gives), with fit-region flags.

    Losses on different corpora are listed, never ranked. Raises InputError for unknown laws or laws that take other inputs.
    """
    facts = _facts(request)
    assumptions: list[Assumption] = []
    if request.params_total is None and "compute_flops" in facts and any(_optimum_of(laws.get(law)) is None for law in request.laws or []):
        # Such a law says what to set in a run, not which run: it is asked at the usual one of that compute.
        params, tokens = compute_optimal(facts["compute_flops"], laws, assumptions)
        facts |= {"params_total": params, "tokens": facts.get("tokens", tokens)}
    named = request.laws or [law for law, _, _ in ALLOCATION_LAWS] if request.params_total is None else request.laws or list(LOSS_LAWS)
    found, skipped = _evaluated([laws.get(law) for law in named], facts, request)
    if not found:
        raise InputError(
            "laws",
            f"none of {', '.join(named)} can be evaluated at this point" + "".join(f"; {why}" for why in skipped.values() if why),
            "see `flopwise law show ID` for what each takes",
        )
    values = {
        f"{item.name}_{key}": value.model_copy(update={"label": f"{key.replace('_', ' ')} by {item.name}"})
        for item in found
        for key, value in item.values.items()
    }
    notices = (
        [Notice(level="caution", text="Losses belong to each law's own corpus and tokenizer: compare how they change, not their height.")]
        if any("loss" in item.values for item in found)
        else []
    )
    if skipped:
        told = ", ".join(law + (f" ({why})" if why else "") for law, why in skipped.items())
        notices.append(Notice(level="info", text=f"Not comparable at this point: {told}."))
    return Result(
        tool="compare_laws",
        task="compare_laws",
        headline=_interleaved(values, found),
        values=values | _spreads(found),
        alternatives=found,
        warnings=notices,
        assumptions=assumptions,
        reasons=["Each law is fed its own convention of params and compute; values outside its fit region are marked."],
    )


def _evaluated(cards: list[LawCard], facts: Mapping[str, float], request: CompareLawsRequest) -> tuple[list[Alternative], dict[str, str]]:
    """What each law gives at the point, and the laws that give nothing there, with the reason where there is more to say."""
    found: list[Alternative] = []
    skipped: dict[str, str] = {}
    for card in cards:
        try:
            item = _at(card, facts, request)
        except InputError as error:
            skipped[card.id] = error.problem
            continue
        if item is None:
            skipped[card.id] = ""
        else:
            found.append(item)
    return found, skipped


def _interleaved(values: Mapping[str, Value], found: list[Alternative]) -> list[str]:
    """Keys with like beside like: every law's size, then every law's tokens, then the rest; a headline of few names all laws."""
    sizes, rest = ("params_total", "params_nonembedding", "model_flops_per_token"), ("tokens", "loss")
    rank = {**dict.fromkeys(sizes, 0), **{name: place for place, name in enumerate(rest, start=1)}}
    places = {f"{item.name}_{name}": rank.get(name, len(rank)) for item in found for name in item.values}
    return sorted(values, key=lambda key: places[key])


def _facts(request: CompareLawsRequest) -> dict[str, float]:
    facts = {name: value for name in ("compute_flops", "params_total", "tokens") if (value := getattr(request, name)) is not None}
    if "compute_flops" not in facts and "params_total" in facts and "tokens" in facts:
        facts["compute_flops"] = K * facts["params_total"] * facts["tokens"]
    return facts


def _at(card: LawCard, facts: Mapping[str, float], request: CompareLawsRequest) -> Alternative | None:
    """One law at the point: its optimum for a budget, else the first relation whose inputs the facts fill."""
    if request.params_total is None and "compute_flops" in facts and (optimum := _optimum_of(card)) is not None:
        note = "unique tokens taken as unlimited" if optimum != "optimum" else ""
        return Alternative(name=card.id, values=optimum_at(card, facts["compute_flops"], relation=optimum), note=note)
    order = [name for name in _RELATIONS if name in card.relations and (name != "optimum" or _optimum_of(card) is None)] + [
        name for name in card.relations if name not in _RELATIONS
    ]
    refused: InputError | None = None
    for name in order:
        relation = card.relations[name]
        given = {key: facts[_FACTS[var.quantity]] for key, var in relation.inputs.items() if _FACTS.get(var.quantity) in facts}
        if given and all(key in given or var.default is not None for key, var in relation.inputs.items()) and card.variants_of(name):
            keys = {key: "loss" if "nats" in var.quantity else key for key, var in relation.outputs.items()}
            try:
                found = evaluate(card, name, given).values
            except InputError as error:  # coefficients that must be asked for by name: the law may have another relation
                refused = refused or error
                continue
            corpus = next(iter(relation.outputs.values())).corpus
            return Alternative(
                name=card.id, values={keys[key]: value for key, value in found.items()}, note=f"on {corpus}" if corpus else ""
            )
    if refused is not None:
        raise refused
    return None


def _optimum_of(card: LawCard) -> str | None:
    """The relation that gives a law's best size or tokens from compute alone."""
    return next((name for name in ("optimum", "optimum_unlimited") if name in card.relations and _by_compute_alone(card, name)), None)


def _by_compute_alone(card: LawCard, relation: str) -> bool:
    found = card.relations[relation]
    sizes = any(var.quantity.startswith("params") or var.quantity == "tokens" for var in found.outputs.values())
    return sizes and sum(var.default is None for var in found.inputs.values()) == 1


def _spreads(found: list[Alternative]) -> dict[str, Value]:
    """Largest over smallest answer for params and tokens, where two laws or more give them in one count."""
    spreads: dict[str, Value] = {}
    for key in ("params_total", "tokens"):
        answers = [item.values[key].number for item in found if key in item.values]
        if len(answers) > 1:
            spreads[f"{key}_spread"] = Value(
                value=max(answers) / min(answers), label=f"largest over smallest {key.replace('_', ' ')}", formula="max / min over the laws"
            )
    return spreads
