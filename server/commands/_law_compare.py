"""`flopwise law compare` and `law bib`; imported only when one runs."""

from __future__ import annotations

import argparse
from dataclasses import asdict

import numpy as np

from knowledge.errors import InputError
from knowledge.library import LawBook
from knowledge.schema import LawCard
from server.commands._numbers import parse_number, split_assignment
from server.commands._output import columns, emit, number
from tools.law_compare import DEFAULT_AXES, Comparison, common_relation, compare, group_of


def law_compare(args: argparse.Namespace) -> int:
    """Several laws along one axis as a table; what cannot be compared is left out with the reason."""
    cards = [LawBook().get(law) for law in dict.fromkeys(args.ids)]
    relation = args.relation or common_relation(cards)
    axis, low, high, count = _axis(args.axis, DEFAULT_AXES.get(relation))
    points = [float(x) for x in (np.geomspace(low, high, count) if low > 0 else np.linspace(low, high, count))]
    fixed = {name: parse_number(name, value) for name, value in map(split_assignment, args.at)}
    found = compare(cards, relation, axis, points, fixed)
    if not found.series:
        raise InputError("law", "none of these laws can be compared here", "; ".join(f"{law}: {why}" for law, why in found.skipped.items()))
    if args.as_json:
        emit(asdict(found))
    else:
        print(_comparison_text(found))
    return 0


def _axis(text: str | None, usual: tuple[str, float, float] | None) -> tuple[str, float, float, int]:
    if text is None:
        if usual is None:
            raise InputError("axis", "is needed for this relation", "for example --axis C=1e20:1e24:5")
        return (*usual, 5)
    name, value = split_assignment(text)
    parts = value.split(":")
    if len(parts) not in (2, 3):
        raise InputError("axis", f"{text!r} is no axis", "NAME=FROM:TO[:POINTS], for example C=1e20:1e24:5")
    low, high = parse_number(name, parts[0]), parse_number(name, parts[1])
    count = int(parse_number("points", parts[2])) if len(parts) == 3 else 5
    if low >= high or not 2 <= count <= 1000:
        raise InputError("axis", f"{text!r} spans nothing", "from below to, with 2 to 1000 points")
    return name, low, high, count


def _comparison_text(found: Comparison) -> str:
    lines = [f"{found.relation} along {found.axis}"]
    for group in dict.fromkeys(group_of(one.quantity) for one in found.series):
        series = [one for one in found.series if group_of(one.quantity) == group]
        header = [found.axis, *(f"{one.law} {one.output}" for one in series)]
        counted = ["", *(one.quantity + (f", {one.corpus}" if one.corpus else "") for one in series)]
        rows = [[number(x), *(number(one.values[i]) for one in series)] for i, x in enumerate(found.points)]
        lines += ["", group.replace("_", " "), columns([header, counted, *rows])]
    outside = {one.law: one for one in found.series if one.outside}
    lines += ["", *(f"{law}: {one.outside} of {len(one.values)} points lie outside the fit" for law, one in outside.items())]
    lines += [f"left out: {law}: {why}" for law, why in found.skipped.items()]
    return "\n".join([*lines, *found.notes]).rstrip()


def law_bib(args: argparse.Namespace) -> int:
    """BibTeX entries of one card or of all."""
    cards = [LawBook().get(args.id)] if args.id else list(LawBook())
    entries = {card.id: _bibtex(card) for card in cards}
    if args.as_json:
        emit(
            [
                {
                    "id": card.id,
                    "title": card.title,
                    "authors": card.authors,
                    "year": card.year,
                    "arxiv": card.arxiv,
                    "bibtex": entries[card.id],
                }
                for card in cards
            ]
        )
    else:
        print("\n\n".join(entries.values()))
    return 0


def _bibtex(card: LawCard) -> str:
    fields = {
        "title": f"{{{card.title}}}",
        "author": card.authors.replace(" et al.", " and others").replace("; ", " and ").replace(" & ", " and "),
        "year": str(card.year),
    }
    if card.arxiv:
        numbers = [part.strip() for part in card.arxiv.split(",")]
        fields |= {"eprint": numbers[0], "archivePrefix": "arXiv", "url": f"https://arxiv.org/abs/{numbers[0]}"}
        fields |= {"note": "also arXiv:" + ", arXiv:".join(numbers[1:])} if numbers[1:] else {}
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{{card.id},\n{body}\n}}"
