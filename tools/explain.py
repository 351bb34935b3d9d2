"""`explain`: what a law says, where it holds and what bites; or what a term means."""

from __future__ import annotations

from pydantic import Field

from knowledge.errors import MissingInput
from knowledge.glossary import term
from knowledge.library import LawBook
from knowledge.schema import LawCard, Range, Variant
from tools.convert import in_words
from tools.forms import get_form
from tools.law import resolve_variant
from tools.law_checks import CheckOutcome, run_checks
from tools.other_laws import optimum_at
from tools.registry import ToolRequest, tool
from tools.result import Column, Notice, Number, Result, Table, Value
from tools.surface import cite

MAX_VARIANTS = 24  # rows of a table of coefficients; a few cards hold a set for each of many data sets
MAX_CHECKS = 12
MAX_CAVEATS = 8
_NORMAL_90 = 1.6448536  # standard errors to either side of a normal estimate that hold nine tenths
# The fact of a question that speaks of a law's variable, by the unit of the variable.
_FACTS = {"params": "params_total", "tokens": "tokens", "FLOP": "compute_flops", "tokens/param": "tokens_per_param"}


class ExplainRequest(ToolRequest):
    """Laws and terms to explain, and the run a law is asked about, if any."""

    laws: list[str] | None = None
    terms: list[str] | None = None
    params_total: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)
    tokens_per_param: float | None = Field(default=None, gt=0)
    compute_flops: float | None = Field(default=None, gt=0)


@tool(task="explain", title="What a law or a term means", needs=(("laws",), ("terms",)))
def explain(request: ExplainRequest, laws: LawBook) -> Result:
    """Summary, formulas, coefficients, region, findings and caveats of laws; definitions of terms. Raises InputError for unknown names."""
    cards = [laws.get(law) for law in request.laws or ()]
    entries = [term(name) for name in request.terms or ()]
    if not cards and not entries:
        raise MissingInput((("laws",), ("terms",)), "an explanation")
    values: dict[str, Value] = {}
    reasons: list[str] = []
    notices: list[Notice] = []
    details: list[str] = []
    for entry in entries:
        said = f"{entry.name}: {entry.text}" + (f" See {', '.join(entry.laws)}." if entry.laws else "")
        # A term leads where it is what the question is about; beside a law it has no part in, it only helps to read on.
        (reasons if not cards or any(card.id in entry.laws for card in cards) else details).append(said)
    for card in cards:
        values |= {f"{card.id}_{name}": value for name, value in _coefficients(card).items()}
        reach = _reach(card, request)
        summary, *rest = _account(card)
        reasons += [*(notice.text for notice in reach), summary]
        details += rest
        notices += [*(notice for notice in reach if notice.level == "warning"), *_bites(card)]
    return Result(
        tool="explain",
        task="explain",
        headline=[],
        values=values,
        reasons=[*reasons, *details],
        warnings=notices,
        tables=[
            table
            for card in cards
            for table in (_in_numbers(card), _relations(card), _region(card), _variants(card), _checks(card))
            if table.rows
        ],
    )


def _account(card: LawCard) -> list[str]:
    """What a card says in sentences: its summary, what a finding found, its leading formula with symbols, and its setting."""
    said = [f"{card.id} ({cite(card)}): {card.summary}"]
    if card.kind == "finding":
        said += [advice.say for advice in card.advice]
    if (name := _leading(card)) is not None:
        relation = card.relations[name]
        said.append(f"Formula ({relation.title or name}): {get_form(relation.form).formula}")
    if card.symbols:
        said.append("Symbols: " + "; ".join(f"{name} = {meaning}" for name, meaning in card.symbols.items()) + ".")
    if card.setting:
        said.append(f"Fitted on: {card.setting}")
    if card.uncertainty:
        said.append(f"Uncertainty: {card.uncertainty}")
    if card.missing:
        said.append(f"Not in the base: {card.missing}")
    return said


_BUDGETS = (1e20, 1e21, 1e22, 1e23, 1e24, 1e25)


def _in_numbers(card: LawCard) -> Table:
    """What an allocation law says at round budgets, those it was fitted on marked; no rows for other laws."""
    rows: list[list[Number]] = []
    relation = card.relations.get("optimum")
    if relation is not None and [v.quantity for v in relation.inputs.values()] == ["flops"]:
        for C in _BUDGETS:
            found = optimum_at(card, C)
            size = found.get("params_total") or found.get("params_nonembedding")
            if size is None or "tokens" not in found:
                rows = []
                break
            ratio, outside = found["tokens"].number / size.number, size.outside
            rows.append([C, size.number, found["tokens"].number, ratio, "extrapolated" if outside else "within the fit"])
    columns = [
        Column(name="compute_flops", label="training compute", unit="FLOP"),
        Column(name="params", label="best size", unit="params"),
        Column(name="tokens", unit="tokens"),
        Column(name="tokens_per_param", label="tokens per param", unit="tokens/param"),
        Column(name="range"),
    ]
    return Table(name=f"{card.id}_in_numbers", title=f"What {card.id} says in numbers", columns=columns, rows=rows)


def _bites(card: LawCard) -> list[Notice]:
    """What a user of the law must hear: its caveats, and the advice of a card that is more than a finding."""
    told = [] if card.kind == "finding" else [Notice(level=advice.level, text=advice.say, source=card.id) for advice in card.advice]
    return [Notice(level="caution", text=caveat, source=card.id) for caveat in card.caveats[:MAX_CAVEATS]] + told


def _leading(card: LawCard) -> str | None:
    """The relation a planner would use first."""
    return next((key for key in ("loss", "optimum") if key in card.relations), next(iter(card.relations), None))


def _coefficients(card: LawCard) -> dict[str, Value]:
    """Coefficients of the leading relation, with the source's interval or one from its standard error."""
    name = _leading(card)
    allowed = card.variants_of(name) if name else []
    if name is None or all(card.variants[key].status == "recalled" for key in allowed):
        return {}
    key = resolve_variant(card, name)
    if key is None:
        return {}
    variant = card.variants[key]
    formula = get_form(card.relations[name].form).formula
    return {
        coefficient: _coefficient(card, name, key, coefficient, value, formula)
        for coefficient, value in variant.values.items()
        if isinstance(value, int | float)
    }


def _coefficient(card: LawCard, relation: str, key: str, name: str, value: float, formula: str) -> Value:
    variant = card.variants[key]
    error = variant.stderr.get(name)
    low = high = level = None
    basis = ""
    if variant.interval is not None and name in variant.interval.bounds:
        (low, high), level, basis = variant.interval.bounds[name], variant.interval.level, "published interval"
    elif error is not None:
        low, high, level, basis = value - _NORMAL_90 * error, value + _NORMAL_90 * error, 0.9, "published standard error"
    return Value(
        value=value,
        label=f"{name} of {card.id}",
        law=card.id,
        relation=relation,
        variant=key,
        source=variant.source,
        formula=formula,
        low=low,
        high=high,
        level=level,
        interval_basis=basis,
        note=f"{variant.status}; {variant.label or key}" + (f"; standard error {error:g}" if error is not None else ""),
    )


def _ranges(card: LawCard) -> dict[str, tuple[Range, str]]:
    """Fitted range and unit of each variable: the card's, or those of its relations where it has none of its own."""
    found: dict[str, tuple[Range, str]] = {}
    for relation in card.relations.values():
        named = {**relation.inputs, **relation.outputs}
        for name, bounds in (card.region or relation.region).items():
            if name in named and name not in found:
                found[name] = bounds, named[name].unit
    return found


def _reach(card: LawCard, request: ExplainRequest) -> list[Notice]:
    """Whether the run the question speaks of lies within the range the law was fitted on, for each quantity it states."""
    told: dict[str, Notice] = {}
    for name, ((low, high), unit) in _ranges(card).items():
        asked = getattr(request, _FACTS.get(unit, ""), None)
        if asked is None or unit in told:
            continue
        said = f"{in_words(asked, unit)} {unit}"
        meaning = f"{name} of {card.id} was fitted from {_bound(low, unit)} to {_bound(high, unit)} {unit}"
        if high is not None and asked > high:
            text, level = f"Extrapolation: {said} is {asked / high:.3g} times beyond; {meaning}.", "warning"
        elif low is not None and asked < low:
            text, level = f"Extrapolation: {said} is {asked / low:.3g} of the least; {meaning}.", "warning"
        else:
            text, level = f"{said} is inside the fit; {meaning}.", "info"
        told[unit] = Notice(level=level, text=text, source=card.id)
    return list(told.values())


def _bound(value: float | None, unit: str) -> str:
    return "any" if value is None else in_words(value, unit)


def _relations(card: LawCard) -> Table:
    rows: list[list[Number]] = [
        [name, relation.title, get_form(relation.form).formula, ", ".join(relation.inputs), ", ".join(relation.outputs)]
        for name, relation in card.relations.items()
    ]
    return _table(card, "relations", f"What {card.id} computes", ("relation", "what it gives", "formula", "takes", "returns"), rows)


def _region(card: LawCard) -> Table:
    rows: list[list[Number]] = [
        [name, card.symbols.get(name, ""), _bound(low, unit), _bound(high, unit), unit]
        for name, ((low, high), unit) in _ranges(card).items()
    ]
    return _table(card, "region", f"Where {card.id} was fitted", ("variable", "meaning", "from", "to", "unit"), rows)


def _variants(card: LawCard) -> Table:
    shown = dict(list(card.variants.items())[:MAX_VARIANTS])
    rows: list[list[Number]] = [[key, variant.label, _set(variant), variant.status, variant.note] for key, variant in shown.items()]
    more = f", {len(shown)} of {len(card.variants)}" if len(shown) < len(card.variants) else ""
    return _table(
        card, "variants", f"Coefficients of {card.id}{more}", ("set", "the source's name", "coefficients", "status", "note"), rows
    )


def _set(variant: Variant) -> str:
    """A set of coefficients in one line, with standard errors and published intervals."""
    bounds = variant.interval.bounds if variant.interval else {}

    def shown(name: str, value: float | list[float]) -> str:
        if isinstance(value, list):
            return f"{name} = {', '.join(f'{item:.6g}' for item in value[:8])}" + (", ..." if len(value) > 8 else "")
        error = f" ± {variant.stderr[name]:g}" if name in variant.stderr else ""
        within = f" ({bounds[name][0]:g} to {bounds[name][1]:g})" if name in bounds else ""
        return f"{name} = {value:.10g}{error}{within}"

    return "; ".join(shown(name, value) for name, value in variant.values.items())


def _checks(card: LawCard) -> Table:
    rows: list[list[Number]] = [_check(outcome) for outcome in list(run_checks([card]))[:MAX_CHECKS]]
    return _table(card, "checks", f"Known numbers {card.id} reproduces", ("relation", "at", "expected", "computed", "source"), rows)


def _check(outcome: CheckOutcome) -> list[Number]:
    def listed(numbers: dict[str, float]) -> str:
        return ", ".join(f"{name} = {value:.5g}" for name, value in numbers.items())

    at = ", ".join(
        f"{name} = {value:g}" if isinstance(value, int | float) else f"{name} = {value}" for name, value in outcome.given.items()
    )
    return [f"{outcome.relation} {outcome.variant}".strip(), at, listed(outcome.expected), listed(outcome.got), outcome.source]


def _table(card: LawCard, name: str, title: str, columns: tuple[str, ...], rows: list[list[Number]]) -> Table:
    return Table(name=f"{card.id}_{name}", title=title, columns=[Column(name=column) for column in columns], rows=rows)
