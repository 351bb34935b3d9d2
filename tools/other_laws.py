"""What the base's other allocation laws say about a budget, each in its own convention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knowledge.library import LawBook
from knowledge.schema import LawCard
from tools.convert import FLOPS_PER_PARAM_TOKEN, flops_to_pf_days
from tools.law import evaluate
from tools.result import Alternative, Assumption, Result, Value

if TYPE_CHECKING:
    from tools.budget import Budget

# Laws with an `optimum` relation of compute that planners quote, oldest first; (law, variant or None for its default, note).
ALLOCATION_LAWS: tuple[tuple[str, str | None, str], ...] = (
    ("kaplan2020", None, "historical; superseded by Hoffmann et al."),
    ("hoffmann2022", None, "approach 3, the parametric fit"),
    ("besiroglu2024", None, ""),
    ("deepseek2024_alloc", None, ""),
    ("porian2024", None, ""),
    ("hu2024_minicpm_alloc", None, ""),
    ("llama3_2024_alloc", None, ""),
    ("farseer2025", None, ""),
    ("gemstones2025", None, ""),
)
# What bounds an allocation beside its budget.
_CHINCHILLA = "hoffmann2022"
_STATED = ("params_total", "tokens", "tokens_per_param", "unique_tokens", "inference_tokens", "target_loss")
_KEYS = {"N": "params_total", "D": "tokens", "tokens_per_param": "tokens_per_param", "L": "loss"}
_PARAM_KEYS = {
    "params_total": "params_total",
    "params_nonembedding": "params_nonembedding",
    "params_without_input_embedding": "params_total",
    "flops_per_token": "model_flops_per_token",
}


def optimum_at(card: LawCard, flops: float, variant: str | None = None, relation: str = "optimum") -> dict[str, Value]:
    """A law's own optimum for a budget in FLOP: params in its own count, tokens, and what else its relation gives."""
    given = next(iter(card.relations[relation].inputs.items()))
    amount = flops_to_pf_days(flops) if given[1].quantity == "pf_days" else flops
    found = evaluate(card, relation, {given[0]: amount}, variant).values
    named: dict[str, Value] = {}
    for key, value in found.items():
        if value.quantity in _PARAM_KEYS:
            named[_PARAM_KEYS[value.quantity]] = value
        elif key in _KEYS or value.quantity == "tokens":
            named[_KEYS.get(key, "tokens")] = value
    size = named.get("params_total") or named.get("params_nonembedding")
    if size is not None and "tokens" not in named:
        named["tokens"] = _tokens_from_size(flops, size)
    return named


def _tokens_from_size(flops: float, size: Value) -> Value:
    tokens = flops / (FLOPS_PER_PARAM_TOKEN * size.number)
    return Value(
        value=tokens,
        unit="tokens",
        label="tokens",
        quantity="tokens",
        law=size.law,
        relation=size.relation,
        variant=size.variant,
        formula="D = C/(6 N)",
        inputs={"C": flops, "N": size.number},
        source=size.source,
        outside=size.outside,
    )


def allocation_alternatives(laws: LawBook, chosen: str, flops: float) -> list[Alternative]:
    """Every other allocation law's size and tokens for the same compute, losses left out: they are on different corpora."""
    found: list[Alternative] = []
    for law, variant, note in ALLOCATION_LAWS:
        if law == chosen or law not in laws or "optimum" not in laws.get(law).relations:
            continue
        values = {key: value for key, value in optimum_at(laws.get(law), flops, variant).items() if key != "loss"}
        counted = "N without embeddings" if "params_nonembedding" in values else ""
        found.append(Alternative(name=law, values=values, note="; ".join(part for part in (note, counted) if part)))
        if law == _CHINCHILLA:
            found.append(_first_approach(laws, flops))
    if chosen == _CHINCHILLA and _CHINCHILLA in laws:
        found.insert(0, _first_approach(laws, flops))
    return found


def _first_approach(laws: LawBook, flops: float) -> Alternative:
    """Chinchilla's approach 1, where the rule of about 20 tokens per param comes from; the parametric fit asks for more tokens."""
    values = {key: value for key, value in optimum_at(laws.get(_CHINCHILLA), flops, relation="optimum_power").items() if key != "loss"}
    return Alternative(name=f"{_CHINCHILLA}, approach 1", values=values, note="the usual rule of tokens per param")


def named_allocation(laws: LawBook, law: str, request: Any, budget: Budget) -> Result | None:
    """The optimum by a law that gives one directly (a power law of compute) rather than through a loss surface; None for other laws."""
    card = laws.get(law)
    relation = card.relations.get("optimum")
    if relation is None or relation.form == "chinchilla_optimum" or any(v.quantity == "unique_tokens" for v in relation.inputs.values()):
        return None
    stated = [name for name in _STATED if getattr(request, name) is not None]
    if budget.flops is not None and not stated:
        values = {**optimum_at(card, budget.flops.number), "compute_flops": budget.flops}
    elif budget.flops is None and stated in (["params_total"], ["tokens"]):
        values = _optimum_for(card, stated[0], getattr(request, stated[0]))
    else:
        return None
    if not values:
        return None
    headline = [key for key in ("params_total", "params_nonembedding", "tokens", "tokens_per_param", "loss") if key in values]
    alternatives = allocation_alternatives(laws, law, values["compute_flops"].number) if "compute_flops" in values else []
    return Result(
        tool="allocate",
        task="allocate",
        headline=headline,
        values=values,
        alternatives=alternatives,
        warnings=budget.notices,
        assumptions=[*budget.assumptions, Assumption(field="compute", value="as stated", source=f"fed to {law} in its own unit")]
        if budget.flops is not None
        else budget.assumptions,
        reasons=[f"The question names {law}; its own optimum relation is used."],
    )


def _optimum_for(card: LawCard, stated: str, amount: float) -> dict[str, Value]:
    """What a law's own relation says goes with a size or a number of tokens; empty where it has none."""
    relation = card.relations.get({"params_total": "optimum_for_params", "tokens": "optimum_for_tokens"}[stated])
    if relation is None or len(relation.inputs) != 1:
        return {}
    name = next(key for key, item in card.relations.items() if item is relation)
    ((taken, variable),) = relation.inputs.items()
    found = evaluate(card, name, {taken: amount}).values
    kinds = {**_PARAM_KEYS, "flops": "compute_flops", "tokens": "tokens"}
    named = {kinds.get(value.quantity, _KEYS.get(key, key)): value for key, value in found.items()}
    outside = next(iter(found.values())).outside
    own = Value(
        value=amount,
        unit=variable.unit,
        label=variable.note or stated.replace("_", " "),
        quantity=variable.quantity,
        source="the question",
        outside=outside,
    )
    return {kinds.get(variable.quantity, stated): own, **named}
