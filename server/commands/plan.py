"""`flopwise plan` makes a plan document and keeps it; `flopwise replay` recomputes a kept one, with changes where asked."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from knowledge.errors import InputError
from server.commands.ask import attachments


def add(subparsers: Any) -> None:
    """Add both commands to the parser."""
    plan = subparsers.add_parser("plan", help="make a plan document and keep it")
    plan.add_argument("question", nargs="*", help="the question, in quotes")
    plan.add_argument("--brief", metavar="FILE", help="a brief (JSON) in place of a question")
    plan.add_argument("--law", metavar="ID|FILE", help="plan with this law")
    attachments(plan)
    plan.add_argument("--save", metavar="PLAN.json", help="keep the plan, so that it can be replayed")
    plan.add_argument("--html", metavar="FILE", help="write the document as one HTML page")
    plan.add_argument("--markdown", metavar="FILE", help="write the document as Markdown")
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    plan.add_argument("--explain", action="store_true", help="every number's formula, inputs and source")
    plan.set_defaults(run=run_plan)
    replay = subparsers.add_parser("replay", help="recompute a kept plan")
    replay.add_argument("plan", metavar="PLAN.json")
    replay.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of the brief; an empty value removes it"
    )
    replay.add_argument("--json", action="store_true", help="print the answer and the differences as JSON")
    replay.set_defaults(run=run_replay)


def run_plan(options: argparse.Namespace) -> int:
    """Make the plan and write what is asked for."""
    from agent import ask
    from agent.brief import Brief
    from agent.document import markdown
    from agent.replay import save
    from server.commands.ask import attached, context_for, to_json
    from server.render import print_answer

    context = attached(context_for(options.law), options)
    brief = Brief.read(_object(_read(options.brief), options.brief)) if options.brief else None
    answer = ask(" ".join(options.question) if brief is None else "", brief=brief, context=context)
    for path, text in (
        (options.save, lambda: json.dumps(save(answer, context), indent=1, ensure_ascii=False, allow_nan=False)),
        (options.html, lambda: _page(answer)),
        (options.markdown, lambda: markdown(answer)),
    ):
        if path:
            _write(path, text())
    print(to_json(answer)) if options.json else print_answer(answer, explain=options.explain)
    return 2 if answer.needs else 0


def run_replay(options: argparse.Namespace) -> int:
    """Recompute a kept plan. Exit status 1 when an unchanged plan is not reproduced."""
    from agent.replay import differences, load, recompute
    from server.commands.ask import to_json
    from server.render import print_answer

    data = load(_read(options.plan), options.plan)
    changes = dict(_change(item) for item in options.set)
    answer = recompute(data, changes)
    found = [] if changes else differences(data, answer)
    if options.json:
        print(
            json.dumps(
                {"differences": [item.model_dump() for item in found], "answer": json.loads(to_json(answer))}, indent=2, ensure_ascii=False
            )
        )
    else:
        print_answer(answer)
        for item in found:
            print(f"differs: {item.where}: {item.saved} -> {item.now} ({item.cause})")
        if not changes and not found:
            print(" Reproduced: every value is as saved.")
    return 1 if found else 0


def _page(answer: Any) -> str:
    from agent.document import html
    from agent.figures import svg

    try:
        return html(answer, {str(spec["description"]): svg(spec) for spec in answer.figures})
    except ImportError:
        print("flopwise: figures are left out of the page (pip install 'flopwise[figures]' adds them)", file=sys.stderr)
        return html(answer)


def _change(item: str) -> tuple[str, Any]:
    name, separator, text = item.partition("=")
    if not separator:
        raise InputError("set", f"{item!r} has no value", "write FIELD=VALUE, for example n_accelerators=16")
    try:
        return name, json.loads(text) if text else None
    except json.JSONDecodeError:
        return name, text


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            where, f"is not JSON (line {error.lineno})", 'a brief is an object such as {"task": "allocate", "compute_flops": 1e22}'
        ) from None
    if not isinstance(data, dict):
        raise InputError(where, "is not an object", "a brief is an object of fields")
    return data


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "cannot be read", getattr(error, "strerror", None) or "not a text file") from None


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf8")
    except OSError as error:
        raise InputError(path, "cannot be written", error.strerror or "") from None
