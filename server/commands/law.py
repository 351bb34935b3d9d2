"""`flopwise law ...`: list, show, evaluate and check the law base."""

from __future__ import annotations

import argparse
from typing import Any

ACTIONS = ("list", "show", "eval", "check")


def add(subparsers: Any) -> None:
    """Register `law` and its actions on the main parser."""
    law = subparsers.add_parser("law", help="list, show, evaluate and check the published laws")
    actions = law.add_subparsers(dest="action", required=True, metavar="|".join(ACTIONS))
    listing = _action(actions, "list", "the laws of the base")
    listing.add_argument("--area")
    listing.add_argument("--kind", choices=("numeric", "rule", "form", "finding"))
    listing.add_argument("--variable", metavar="NAME", help="only laws with this input or output (symbol or kind of quantity)")
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


def _action(actions: Any, name: str, help_text: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=help_text)
    parser.add_argument("--json", action="store_true", dest="as_json", help="raw numbers in named fields, canonical units")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the action of parsed arguments; returns an exit status. Raises InputError for bad input."""
    from server.commands import _law

    return getattr(_law, f"law_{args.action}")(args)
