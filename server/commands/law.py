"""`flopwise law ...`: list, search, show, eval, check, compare and bib over the law base."""

from __future__ import annotations

import argparse
from typing import Any

ACTIONS = ("list", "search", "show", "eval", "check", "compare", "bib")


def add(subparsers: Any) -> None:
    """Register `law` and its actions on the main parser."""
    law = subparsers.add_parser("law", help="list, search, show, evaluate and check the published laws")
    actions = law.add_subparsers(dest="action", required=True, metavar="|".join(ACTIONS))
    listing = _action(actions, "list", "the laws of the base")
    listing.add_argument("--area")
    listing.add_argument("--kind", choices=("numeric", "rule", "form", "finding"))
    listing.add_argument("--variable", metavar="NAME", help="only laws with this input or output (symbol or kind of quantity)")
    search = _action(actions, "search", "laws and papers by words")
    search.add_argument("words", nargs="+")
    search.add_argument("--limit", type=int, default=10)
    show = _action(actions, "show", "all about one law")
    show.add_argument("id")
    evaluation = _action(actions, "eval", "evaluate a relation: law eval besiroglu2024 optimum C=1e22")
    evaluation.add_argument("id")
    evaluation.add_argument("relation")
    evaluation.add_argument("inputs", nargs="*", metavar="NAME=VALUE")
    evaluation.add_argument("--variant")
    checks = _action(actions, "check", "run the checks of one law or of all")
    checks.add_argument("id", nargs="?")
    checks.add_argument("--file", metavar="EXTRA.yaml", help="run the checks of this file instead")
    comparison = _action(actions, "compare", "several laws on one axis, as a table")
    comparison.add_argument("ids", nargs="+", metavar="ID")
    comparison.add_argument("--relation", help="loss, optimum or another (the default: what most of them have)")
    comparison.add_argument("--axis", metavar="NAME=FROM:TO[:POINTS]", help="for example C=1e20:1e24:5")
    comparison.add_argument("--at", action="append", default=[], metavar="NAME=VALUE", help="inputs held fixed")
    bib = _action(actions, "bib", "references in BibTeX")
    bib.add_argument("id", nargs="?")


def _action(actions: Any, name: str, help_text: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=help_text)
    parser.add_argument("--json", action="store_true", dest="as_json", help="raw numbers in named fields, canonical units")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the action of parsed arguments; returns an exit status. Raises InputError for bad input."""
    from importlib import import_module

    module = "_law_compare" if args.action in ("compare", "bib") else "_law"
    return int(getattr(import_module(f"server.commands.{module}"), f"law_{args.action}")(args))
