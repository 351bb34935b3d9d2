"""`flopwise "QUESTION"`: progress while it works, then the answer."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge.errors import InputError

if TYPE_CHECKING:
    from agent.state import Context


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("ask", help="answer a question", prog="flopwise")
    parser.add_argument("question", nargs="*", help="the question, in quotes; - reads standard input")
    parser.add_argument("--json", action="store_true", help="brief, results, answer, warnings and versions as JSON")
    parser.add_argument("--law", metavar="ID|FILE", help="answer with this law: an id of the base, or a law file of your own")
    attachments(parser)
    parser.add_argument("--explain", action="store_true", help="every number's formula, inputs and source")
    parser.add_argument("--model", metavar="PROVIDER:NAME", help="language model that reads and words (FLOPWISE_MODEL); none is needed")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer one question. Exit status 0 answered, 2 bad input or something needed is missing."""
    asked_at = time.monotonic()
    from agent import ask

    question = " ".join(options.question)
    question = sys.stdin.read() if question == "-" else question
    answer = ask(
        question,
        context=with_model(attached(context_for(options.law), options), options.model),
        on_event=None if options.json or not sys.stderr.isatty() else _progress,
        asked_at=asked_at,
    )
    if options.json:
        print(to_json(answer))
    else:
        from server.render import print_answer

        print_answer(answer, explain=options.explain)
    return 2 if answer.needs else 0


def context_for(law: str | None) -> Context:
    """The context of a question that names a law by id, or by a file of the user's."""
    from agent.state import Context
    from knowledge.library import LawBook, load_card

    if law is None:
        return Context()
    book = LawBook()
    if law in book:
        return Context(law=law)
    if not Path(law).is_file():
        if Path(law).suffix in (".yaml", ".yml", ".json"):
            raise InputError("law", f"there is no file {law!r}", "give a law id or the path of a law file")
        book.get(law)
    card = load_card(law)
    return Context(laws=book.with_laws([card]), law=card.id)


def attachments(parser: argparse.ArgumentParser) -> None:
    """Options for what comes with a question: a table of runs, a profile of the cluster."""
    parser.add_argument(
        "--runs", metavar="TABLE", help="runs (CSV, TSV, JSON lines, Parquet): a law is fitted to them and answers what follows"
    )
    parser.add_argument("--group", metavar="COLUMN=VALUE", help="which of the table's groups of runs, such as family=a,dataset=b")
    parser.add_argument(
        "--profile", metavar="FILE", help="a profile of your cluster, as `flopwise calibrate` writes it: corrects the step time"
    )


def attached(context: Context, options: argparse.Namespace) -> Context:
    """The context with the files of those options in it. Raises InputError for one that cannot be read."""
    from dataclasses import replace

    from agent.state import RunsTable

    if options.group and not options.runs:
        raise InputError("group", "chooses among the runs of a table, and none is given", "add --runs TABLE")
    if options.runs:
        from tools.fitting.runs import file_columns

        context = replace(context, table=RunsTable(Path(options.runs).name, file_columns(options.runs), options.group))
    if options.profile:
        from server.commands.estimate import load_profile

        context = replace(context, profile=load_profile(options.profile).to_json())
    return context


def with_model(context: Context, model: str | None) -> Context:
    """The context with the language model of the settings, or the one named here."""
    if model is None and not any(name in os.environ for name in ("FLOPWISE_MODEL", "flopwise_model")):
        return context
    from dataclasses import replace

    from server.settings import Settings

    settings = Settings.load(model=model)
    return replace(
        context,
        model=settings.model or None,
        base_url=settings.base_url,
        api_key=settings.api_key,
        model_timeout_seconds=settings.model_timeout_seconds,
    )


def to_json(answer: Any) -> str:
    """An answer as JSON: its fields, plus the rendered text and the warnings apart."""
    import json

    data = answer.model_dump(mode="json", exclude_none=True)
    data["answer"] = answer.text
    data["warnings"] = [notice for notice in data["notices"] if notice["level"] in ("warning", "conflict")]
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)


def _progress(event: dict[str, Any]) -> None:
    if event["status"] == "started":
        sys.stderr.write(f"\r\x1b[K{event['step'].replace('_', ' ')} ...")
    else:
        sys.stderr.write("\r\x1b[K")
    sys.stderr.flush()
