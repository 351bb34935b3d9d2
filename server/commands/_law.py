"""What the actions of `flopwise law` do; imported only when one runs."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from math import log10
from pathlib import Path
from typing import Any

from knowledge.errors import InputError
from knowledge.library import LawBook, parse_yaml
from knowledge.schema import LawCard, Relation
from server.commands._numbers import parse_value, split_assignment
from server.commands._output import columns, emit, number
from tools.law import Evaluation, evaluate
from tools.law_checks import CheckOutcome, extra_checks, run_checks, run_extra_check
from tools.law_names import find_inputs, find_name, find_relation, find_variant
from tools.law_sweep import Sweep, sweeps

# ---------------------------------------------------------------- list


def law_list(args: argparse.Namespace) -> int:
    book = list(LawBook())
    areas = sorted({card.area for card in book})
    if args.area is not None and args.area not in areas:
        raise InputError("area", f"there is no area {args.area!r}", f"areas: {', '.join(areas)}")
    cards = [card for card in book if _wanted(card, args)]
    if args.as_json:
        emit(
            [
                {
                    "id": card.id,
                    "area": card.area,
                    "kind": card.kind,
                    "title": card.title,
                    "year": card.year,
                    "summary": card.summary,
                    "relations": list(card.relations),
                    "variants": list(card.variants),
                    "checks": len(card.checks),
                }
                for card in cards
            ]
        )
    elif cards:
        print(columns([(card.id, card.area, card.kind, _clip(card.summary, 100)) for card in cards]))
    else:
        print("no law fits; see `flopwise law list` without filters")
    return 0


def _wanted(card: LawCard, args: argparse.Namespace) -> bool:
    return (
        args.area in (None, card.area)
        and args.kind in (None, card.kind)
        and (
            args.variable is None
            or any(find_name(args.variable, {**rel.inputs, **rel.outputs}) or _has(args.variable, rel) for rel in card.relations.values())
        )
    )


def _has(name: str, relation: Relation) -> bool:
    return any(name.lower() in (key.lower(), var.quantity) for key, var in (*relation.inputs.items(), *relation.outputs.items()))


def _clip(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


# ---------------------------------------------------------------- search


def law_search(args: argparse.Namespace) -> int:
    """Laws by words, and papers out of scope with the reason why they have no card."""
    from knowledge.search import search

    if args.limit < 1:
        raise InputError("limit", f"{args.limit} is no number of results", "at least 1")
    formulas = {card.id: " ".join(_formulas(card).values()) for card in LawBook()}
    hits = search(" ".join(args.words), args.limit, formulas)
    if args.as_json:
        emit([vars(hit) for hit in hits])
    elif hits:
        print(columns([(hit.law or "(no card)", hit.area, _clip(hit.summary or f"{hit.title}: {hit.reason}", 110)) for hit in hits]))
    else:
        print("no law has these words; `flopwise law list` shows all")
    return 0


# ---------------------------------------------------------------- show


def law_show(args: argparse.Namespace) -> int:
    card = LawBook().get(args.id)
    outcomes = list(run_checks([card]))
    if args.as_json:
        figures = [asdict(drawn) for drawn in sweeps(card)]
        checks = [outcome.as_json() for outcome in outcomes]
        emit({**card.model_dump(mode="json"), "formulas": _formulas(card), "check_outcomes": checks, "figures": figures})
    else:
        print("\n\n".join(part for part in _sheet(card, outcomes) if part))
    return 0


def _formulas(card: LawCard) -> dict[str, str]:
    from tools.forms import get_form

    return {name: get_form(rel.form).formula for name, rel in card.relations.items()}


def _sheet(card: LawCard, outcomes: list[CheckOutcome]) -> Iterable[str]:
    yield (
        f"{card.id}: {card.title}\n{card.authors} {card.year}"
        + (f", arXiv:{card.arxiv}" if card.arxiv else "")
        + f"\n{card.area}, {card.kind}. {card.summary}"
    )
    formulas = _formulas(card)
    for name, rel in card.relations.items():
        yield f"relation {name}: {formulas[name]}\n" + columns(
            [
                (direction, key, var.quantity, var.unit, var.note)
                for direction, side in (("in", rel.inputs), ("out", rel.outputs))
                for key, var in side.items()
            ],
            "  ",
        )
    for key, variant in card.variants.items():
        spread = {name: f" ± {number(sd)}" for name, sd in variant.stderr.items()}
        yield (
            f"variant {key} ({variant.status})"
            + (", default" if key == card.default_variant else "")
            + f": {variant.label}\n  "
            + ", ".join(f"{name} = {number(value)}{spread.get(name, '')}" for name, value in variant.values.items())
            + f"\n  source: {variant.source}"
            + (f"\n  note: {variant.note}" if variant.note else "")
        )
    drawn = sweeps(card)
    if drawn:
        yield "over the fitted range\n" + "\n".join(f"  {_sketch(one)}" for one in drawn)
    if card.region:
        yield (
            "fitted on: "
            + ", ".join(f"{name} {_range(bounds)}" for name, bounds in card.region.items())
            + (f"; {card.setting}" if card.setting else "")
        )
    if outcomes:
        yield f"checks: {sum(o.passed for o in outcomes)} of {len(outcomes)} pass\n" + "\n".join(f"  {_outcome_line(o)}" for o in outcomes)
    yield _bullets("advice", [f"{item.say} (when {_conditions(item.when)})" for item in card.advice])
    yield _bullets("caveats", card.caveats)
    yield f"missing: {card.missing}" if card.missing else ""
    yield _bullets("sources", [source.source + (f": {source.confirms}" if source.confirms else "") for source in card.sources])


_BARS = "▁▂▃▄▅▆▇█"


def _sketch(drawn: Sweep) -> str:
    """A sweep in one line of bars over the fitted range, left to right; the height is logarithmic where it spans decades."""
    picked = drawn.y[:: max(1, len(drawn.y) // 20)]
    heights = [log10(y) for y in picked] if min(picked) > 0 and max(picked) > 50 * min(picked) else picked
    low, span = min(heights), max(heights) - min(heights)
    bars = "".join(_BARS[int((height - low) / span * (len(_BARS) - 1)) if span else 0] for height in heights)
    held = "".join(f", {name} = {number(value)}" for name, value in drawn.fixed.items())
    along = f"{drawn.relation}: {drawn.input} {number(drawn.x[0])} to {number(drawn.x[-1])}{held}"
    return f"{drawn.output} {number(drawn.y[0])} {bars} {number(drawn.y[-1])}  ({along})"


def _bullets(head: str, lines: list[str]) -> str:
    return f"{head}\n" + "\n".join(f"  - {line}" for line in lines) if lines else ""


def _range(bounds: tuple[float | None, float | None]) -> str:
    low, high = bounds
    return f"{'' if low is None else number(low)}..{'' if high is None else number(high)}"


def _conditions(when: Mapping[str, Any]) -> str:
    words = []
    for fact, wanted in when.items():
        if isinstance(wanted, list):
            words.append(f"{fact} is {' or '.join(str(value) for value in wanted)}")
        else:
            words += [
                f"{fact} {word} {number(bound)}" for word, bound in (("above", wanted.above), ("below", wanted.below)) if bound is not None
            ]
            words += [f"{fact} is {'' if wanted.stated else 'not '}stated"] if wanted.stated is not None else []
    return " and ".join(words)


# ---------------------------------------------------------------- eval


def law_eval(args: argparse.Namespace) -> int:
    card = LawBook().get(args.id)
    relation = find_relation(card, args.relation)
    variant = find_variant(card, relation, args.variant)
    stated = [split_assignment(text) for text in args.inputs]
    names = [name for name, _ in stated]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(twice, "is given twice")
    inputs, replaced = find_inputs(card, relation, {name: _input_value(card.relations[relation], name, text) for name, text in stated})
    if replaced:
        raise InputError(next(iter(replaced)), f"is a coefficient of {card.id}, not an input", "choose coefficients with --variant")
    done = evaluate(card, relation, inputs, variant)
    undefined = [name for name, value in done.values.items() if isinstance(value.value, float) and value.value != value.value]
    if undefined:
        raise InputError(
            undefined[0], f"{card.id} {relation} has no value there", ", ".join(f"{k}={number(v)}" for k, v in done.inputs.items())
        )
    emit(evaluation_json(done, card)) if args.as_json else print(_evaluation_text(done))
    return 0


# Sizes and amounts of work: none of a law's relations means anything at or below zero of them.
_POSITIVE_UNITS = {
    "params",
    "tokens",
    "FLOP",
    "PF-days",
    "tokens/param",
    "tokens/step",
    "GFLOP",
    "GMAC",
    "Gparams",
    "Mparams",
    "Gtokens",
    "entries",
}


def _input_value(relation: Relation, name: str, text: str) -> Any:
    key = find_name(name, relation.inputs)
    if key is not None and relation.inputs[key].quantity == "choice":
        return text
    value = parse_value(name, text, relation.inputs[key].unit if key else "")
    if key is not None and relation.inputs[key].unit in _POSITIVE_UNITS and min(value if isinstance(value, list) else [value]) <= 0:
        raise InputError(name, f"{text} is not above 0", f"it counts {relation.inputs[key].quantity.replace('_', ' ')}")
    return value


def evaluation_json(done: Evaluation, card: LawCard) -> dict[str, Any]:
    """An evaluation as plain data: `outputs` with unit and interval, `values` by bare name."""
    rel = card.relations[done.relation]
    return {
        "law": done.law,
        "relation": done.relation,
        "variant": done.variant,
        "inputs": done.inputs,
        "input_units": {name: rel.inputs[name].unit for name in done.inputs},
        "outputs": {
            name: {
                "value": value.value,
                "unit": value.unit,
                "quantity": value.quantity,
                "low": value.low,
                "high": value.high,
                "level": value.level,
                "interval_basis": value.interval_basis,
            }
            for name, value in done.values.items()
        },
        "values": {name: value.value for name, value in done.values.items()},
        "coefficients": done.coefficients,
        "formula": done.formula,
        "outside": done.outside,
        "note": next((value.note for value in done.values.values()), ""),
        "source": next((value.source for value in done.values.values()), ""),
    }


def _evaluation_text(done: Evaluation) -> str:
    lines = [f"{done.law} {done.relation}" + (f" ({done.variant})" if done.variant else "") + f": {done.formula}"]
    lines += [f"  {name} = {number(value)}" for name, value in done.inputs.items()]
    for name, value in done.values.items():
        interval = f"  [{number(value.low)}, {number(value.high)}] at {value.level:.0%}" if value.low is not None and value.level else ""
        lines.append(f"-> {name} = {number(value.value)} {value.unit}{interval}".rstrip())
    lines += [f"  outside the fit: {flag}" for flag in done.outside]
    first = next(iter(done.values.values()))
    lines += [f"  note: {first.note}"] if first.note else []
    return "\n".join([*lines, f"  source: {first.source}"])


# ---------------------------------------------------------------- check


def law_check(args: argparse.Namespace) -> int:
    book = LawBook()
    if args.file:
        outcomes = [run_extra_check(book, law, fields) for law, fields in extra_checks(_read_yaml(args.file), args.id)]
    else:
        outcomes = list(run_checks([book.get(args.id)] if args.id else book))
    failed = [outcome for outcome in outcomes if not outcome.passed]
    by_area = {
        area: {"checks": count, "failed": sum(outcome.area == area for outcome in failed)}
        for area, count in sorted(Counter(outcome.area for outcome in outcomes).items())
    }
    if args.as_json:
        emit(
            {
                "checks": [outcome.as_json() for outcome in outcomes],
                "by_area": by_area,
                "total": len(outcomes),
                "passed": len(outcomes) - len(failed),
                "failed": len(failed),
            }
        )
    else:
        shown = outcomes if args.id or args.file else failed
        for outcome in shown:
            print(_outcome_line(outcome))
        print(columns([(area or "unknown law", f"{n['checks']} checks", f"{n['failed']} failed") for area, n in by_area.items()]))
        print(f"{len(outcomes)} checks, {len(failed)} failed")
    return 1 if failed else 0


def _read_yaml(path: str) -> Any:
    import yaml

    try:
        return parse_yaml(Path(path).read_text(encoding="utf8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("file", f"cannot read {path!r}", getattr(error, "strerror", None) or "not a text file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise InputError("file", f"{path} is not readable as YAML" + (f" at line {mark.line + 1}" if mark else "")) from None


def _outcome_line(outcome: CheckOutcome) -> str:
    head = f"{'pass' if outcome.passed else 'FAIL'} {outcome.law} {outcome.relation}" + (f" ({outcome.variant})" if outcome.variant else "")
    asked = ", ".join(f"{name}={number(value)}" for name, value in outcome.given.items())
    told = outcome.problem or ", ".join(
        f"{name}: {number(outcome.got[name])} for {number(expected)} ({outcome.error[name]:+.2%})"
        for name, expected in outcome.expected.items()
    )
    return f"{head} {asked}: {told}"
