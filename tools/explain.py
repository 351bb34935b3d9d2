"""`explain`: what a law says, where it holds and what bites; or what a term means."""

from __future__ import annotations

from knowledge.errors import MissingInput
from knowledge.glossary import term
from knowledge.library import LawBook
from knowledge.schema import LawCard
from tools.forms import get_form
from tools.law import resolve_variant
from tools.registry import ToolRequest, tool
from tools.result import Column, Notice, Number, Result, Table, Value
from tools.surface import cite


class ExplainRequest(ToolRequest):
    """Laws and terms to explain."""

    laws: list[str] | None = None
    terms: list[str] | None = None


@tool(task="explain", title="What a law or a term means", needs=(("laws",), ("terms",)))
def explain(request: ExplainRequest, laws: LawBook) -> Result:
    """Summary, formulas, coefficients, region and caveats of laws; definitions of terms. Raises InputError for unknown names."""
    cards = [laws.get(law) for law in request.laws or ()]
    entries = [term(name) for name in request.terms or ()]
    if not cards and not entries:
        raise MissingInput((("laws",), ("terms",)), "an explanation")
    values: dict[str, Value] = {}
    reasons: list[str] = []
    for card in cards:
        values |= {f"{card.id}_{name}": value for name, value in _coefficients(card).items()}
        reasons += [f"{card.id} ({cite(card)}): {card.summary}", *([f"Fitted on: {card.setting}"] if card.setting else [])]
    for entry in entries:
        reasons.append(f"{entry.name}: {entry.text}" + (f" See {', '.join(entry.laws)}." if entry.laws else ""))
    notices = [Notice(level="caution", text=caveat, source=card.id) for card in cards for caveat in card.caveats[:3]]
    return Result(
        tool="explain",
        task="explain",
        headline=[],
        values=values,
        reasons=reasons,
        warnings=notices,
        tables=[_relations(card) for card in cards if card.relations],
    )


def _coefficients(card: LawCard) -> dict[str, Value]:
    """Coefficients of the relation a planner would use first."""
    if not card.relations:
        return {}
    name = next((key for key in ("loss", "optimum") if key in card.relations), next(iter(card.relations)))
    key = resolve_variant(card, name)
    if key is None:
        return {}
    variant = card.variants[key]
    return {
        coefficient: Value(
            value=value,
            label=f"{coefficient} of {card.id}",
            law=card.id,
            relation=name,
            variant=key,
            source=variant.source,
            formula=get_form(card.relations[name].form).formula,
            note=f"standard error {variant.stderr[coefficient]:g}" if coefficient in variant.stderr else "",
        )
        for coefficient, value in variant.values.items()
        if isinstance(value, int | float)
    }


def _relations(card: LawCard) -> Table:
    rows: list[list[Number]] = [
        [name, relation.title, get_form(relation.form).formula, ", ".join(relation.inputs), ", ".join(relation.outputs)]
        for name, relation in card.relations.items()
    ]
    columns = [Column(name=title) for title in ("relation", "what it gives", "formula", "takes", "returns")]
    return Table(name=f"{card.id}_relations", title=f"What {card.id} computes", columns=columns, rows=rows)
