"""`flopwise brief`: how questions are understood, one from the command line or many as JSON lines."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, TextIO

from knowledge.errors import InputError


def add(subparsers: Any) -> None:
    """Register `brief` on the main parser."""
    brief = subparsers.add_parser("brief", help="show how a question is understood")
    brief.add_argument("question", nargs="?", help="the question")
    brief.add_argument("--json", action="store_true", help="brief, confidence, other readings, spans and notices as JSON")
    brief.add_argument("--jsonl", metavar="FILE", help="one {id, question} a line in (- for standard input), one {id, brief} a line out")
    brief.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status 0, or 2 when the question, or any line of the file, was refused."""
    if options.jsonl is not None:
        if options.question is not None:
            raise InputError("brief", "takes a question or --jsonl, not both", "leave one out")
        with _lines(options.jsonl) as lines:
            return _many(lines, sys.stdout)
    if options.question is None:
        raise InputError("question", "is missing", 'flopwise brief "QUESTION", or --jsonl FILE')
    return _one(options.question, options.json)


def _one(question: str, as_json: bool) -> int:
    from agent.understand import parse

    understood = parse(question)
    brief = _public(understood.brief.stated())
    if as_json:
        document = {
            "brief": brief,
            "confidence": understood.confidence,
            "readings": [_public(reading.stated()) for reading in understood.readings],
            "spans": [{"start": s.start, "end": s.end, "field": s.field, "value": s.value} for s in understood.spans],
            "notices": understood.notices,
            "language": understood.language,
        }
        print(json.dumps(document, ensure_ascii=False, indent=2))
        return 0
    width = max(len(name) for name in brief)
    for name, value in brief.items():
        sure = understood.confidence.get(name)
        print(f"{name:<{width}}  {_plain(value)}" + (f"  (confidence {sure:.2f})" if sure is not None and sure < 0.75 else ""))
    for notice in understood.notices:
        print(f"note: {notice}")
    return 0


def _public(brief: dict[str, Any]) -> dict[str, Any]:
    """The fields of the contract: the language and what only one tool reads are not among them."""
    return {name: value for name, value in brief.items() if name not in ("language", "details")}


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return f"{value:.10g}" if isinstance(value, float) else str(value)


@contextmanager
def _lines(path: str) -> Generator[Iterable[str]]:
    if path == "-":
        yield sys.stdin
        return
    try:
        file = open(path, encoding="utf8", errors="replace")  # noqa: SIM115 - closed below; only opening it may fail as bad input
    except OSError as error:
        raise InputError("--jsonl", f"cannot read {path!r}", error.strerror or "not a file") from None
    with file:
        yield file


def _many(lines: Iterable[str], out: TextIO) -> int:
    """One answer line for every question line; a bad one gives {id, error} and the others go on."""
    from agent.understand import parse

    failed = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        known: Any = number
        try:
            known, question = _record(line, number)
            answer: dict[str, Any] = {"id": known, "brief": _public(parse(question).brief.stated())}
        except InputError as error:
            failed = True
            answer = {"id": getattr(error, "record", known), "error": str(error)}
        out.write(json.dumps(answer, ensure_ascii=False) + "\n")
        out.flush()
    return 2 if failed else 0


class _BadRecord(InputError):
    """A line that is no question; `record` is its id, or its line number where it has none."""

    def __init__(self, record: Any, field: str, problem: str, remedy: str) -> None:
        super().__init__(field, problem, remedy)
        self.record = record


def _record(line: str, number: int) -> tuple[Any, str]:
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        raise _BadRecord(number, f"line {number}", "is not JSON", 'expected {"id": ..., "question": "..."}') from None
    if not isinstance(record, dict):
        raise _BadRecord(number, f"line {number}", "is no JSON object", 'expected {"id": ..., "question": "..."}')
    known = record.get("id", number)
    question = record.get("question")
    if not isinstance(question, str):
        raise _BadRecord(known, "question", "is missing or no text", 'expected {"id": ..., "question": "..."}')
    return known, question
