"""What `flopwise design` does."""

from __future__ import annotations

import argparse

from knowledge.library import LawBook, load_card
from server.commands._fit import write_json
from server.commands._numbers import parse_number
from tools.design import DesignRequest, design_experiments
from tools.registry import validated
from tools.result import Result


def design_command(options: argparse.Namespace) -> int:
    """Plan small runs under a budget and print them."""
    book, law = LawBook(), options.law
    if law not in book and law.endswith((".yaml", ".yml", ".json")):
        card = load_card(law)
        book, law = book.with_laws([card]), card.id
    budget = parse_number("budget", options.budget, "FLOP")
    target = parse_number("target", options.target, "FLOP") if options.target else 100 * budget
    stated = {"compute_flops": budget, "target_flops": target, "want": options.want, "noise": options.noise, "law": law}
    request = validated(DesignRequest, stated)
    result = design_experiments(request, book)
    if options.json != "-":
        _print(result)
    if options.json:
        write_json(options.json, result.model_dump(mode="json", exclude_defaults=True))
    return 0


def _print(result: Result) -> None:
    for key in result.headline:
        value = result.values[key]
        print(f"{value.label}: {value.value:.4g} {value.unit}".rstrip())
    for table in result.tables:
        print(f"\n{table.title}\n  " + "  ".join(column.label + (f" ({column.unit})" if column.unit else "") for column in table.columns))
        for row in table.rows:
            print("  " + "  ".join(f"{cell:>12.4g}" for cell in row))  # pyright: ignore
    for notice in result.warnings:
        print(f"note: {notice.text}")
