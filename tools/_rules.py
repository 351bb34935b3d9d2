"""Asking many laws the same question: each rule is a relation that is fed whatever it needs by kind of quantity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from knowledge.errors import InputError
from knowledge.library import LawBook
from tools.law import evaluate
from tools.result import Alternative, Value

Facts = Mapping[str, float]


@dataclass(frozen=True)
class Rule:
    """One law's answer: which relation, which of its outputs, and what its answer is. `extra` are inputs given by name."""

    law: str
    relation: str
    output: str
    kind: str = ""
    note: str = ""
    variant: str | None = None
    extra: dict[str, str] = field(default_factory=dict[str, str])  # input of the relation -> fact


def missing(rule: Rule, laws: LawBook, facts: Facts) -> list[str]:
    """Kinds of quantity a rule still needs."""
    inputs = laws.get(rule.law).relations[rule.relation].inputs
    return [
        rule.extra.get(name, var.quantity)
        for name, var in inputs.items()
        if var.default is None and rule.extra.get(name, var.quantity) not in facts
    ]


def apply(rule: Rule, laws: LawBook, facts: Facts) -> dict[str, Value]:
    """Every output of a rule by the card's names; raises InputError when something it needs is unknown."""
    card = laws.get(rule.law)
    given = {
        name: facts[rule.extra.get(name, var.quantity)]
        for name, var in card.relations[rule.relation].inputs.items()
        if rule.extra.get(name, var.quantity) in facts and (var.default is None or name in rule.extra)
    }
    return evaluate(card, rule.relation, given, rule.variant).values


def ask(rule: Rule, laws: LawBook, facts: Facts) -> Value | None:
    """The rule's one answer, or nothing when it lacks an input or has no value there."""
    if rule.law not in laws or missing(rule, laws, facts):
        return None
    try:
        value = apply(rule, laws, facts)[rule.output]
    except InputError:
        return None
    number = value.value
    return value if isinstance(number, int | float) and number == number and number > 0 else None


def alternatives(rules: Iterable[Rule], laws: LawBook, facts: Facts, key: str, label: str, but: str = "") -> list[Alternative]:
    """What the rules other than the law `but` answer, under one key, each with its note."""
    found: list[Alternative] = []
    for rule in rules:
        value = ask(rule, laws, facts) if rule.law != but else None
        if value is not None:
            found.append(Alternative(name=rule.law, values={key: value.model_copy(update={"label": label})}, note=rule.note))
    return found


# Names people use for a paper -> the card that answers for its part.
_ALIASES = {
    "kaplan2020": "kaplan2020_bcrit",
    "porian2024": "porian2024_hparams",
    "deepseek2024_alloc": "deepseek2024_hparams",
    "hu2024_minicpm_alloc": "hu2024_minicpm",
    "dremov2025": "dremov2025_qat",
}


def rule_for(law: str | None, rules: Iterable[Rule], laws: LawBook, facts: Facts | None = None, quantity: str = "") -> Rule | None:
    """The rule of a named law (or of the paper it belongs to); nothing when that law does not answer this. Unknown law: InputError.

    Any other card, a user's own above all, answers with a relation that gives the wanted kind of quantity from what is known.
    """
    if law is None:
        return None
    names = (law, _ALIASES.get(law, law))
    known = next((rule for rule in rules if rule.law in names), None)
    if known is not None or facts is None:
        return known if known is not None or any(name in laws for name in names) else _unknown(law, laws)
    card = laws.get(law)
    for name, relation in card.relations.items():
        output = next((key for key, var in relation.outputs.items() if var.quantity == quantity), None)
        rule = Rule(law, name, output or "", "best", card.summary)
        if output is not None and relation.inputs and ask(rule, laws, facts) is not None:
            return rule
    return None


def _unknown(law: str, laws: LawBook) -> None:
    laws.get(law)  # raises InputError with the nearest ids
