"""Answers of the question suites as Slack messages, held against Slack's documented limits.

    python -m evals.slack_blocks [SUITE.yaml ...]

Every question of every suite (by default all in evals/suites) is answered and drawn with a figure and a link; the message, its explanation and its forms
are checked by server/slack/limits.py. Prints a line for each problem, and the sizes seen before messages are cut; exit status 1 when there is one.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml

from agent import ask
from agent.answer import Answer
from knowledge.errors import InputError
from server.slack import modals
from server.slack.blocks import answer_blocks, figure, notice_blocks
from server.slack.limits import MESSAGE_BLOCKS, MESSAGE_CHARACTERS, characters, fitting, message_problems, view_problems
from server.slack.reports import explain_blocks

SUITES = Path(__file__).parent / "suites"
_PRIVATE = {"plan": "0" * 32, "channel": "C0123456789", "thread": "1700000000.000001", "private": False}


def questions(paths: list[Path]) -> Iterator[tuple[str, str]]:
    """(id, question) of every entry that asks one."""
    for path in paths:
        data = yaml.safe_load(path.read_text(encoding="utf8"))
        for entry in data if isinstance(data, list) else []:
            if isinstance(entry, dict) and isinstance(entry.get("question"), str):
                yield str(entry.get("id", path.stem)), entry["question"]


def problems(answer: Answer) -> tuple[list[str], Counter[str]]:
    """What Slack would not take of an answer's message, explanation and forms as they are sent; and their sizes before they are cut."""
    figures = [figure("F0123456789", spec) for spec in answer.figures[:1]]
    whole = answer_blocks(answer, "0" * 32, figures=figures, link="https://example.org/plans/0", asked_by="U0123456789")
    blocks, explained = fitting(whole), explain_blocks(answer)
    found = [f"message {item}" for item in message_problems(blocks, answer.headline)]
    found += [f"explain {item}" for item in message_problems(fitting(explained))]
    found += [f"read {item}" for item in view_problems(modals.text_modal("Plan", blocks))]
    actions = {item["action_id"] for block in blocks if block["type"] == "actions" for item in block["elements"]}
    forms = {"needs": modals.needs_modal, "what_if": modals.what_if_modal, "other_law": modals.law_modal}
    found += [f"{name} {item}" for name, form in forms.items() if name in actions for item in view_problems(form(answer, _PRIVATE))]
    sizes = {"blocks": len(whole), "characters": characters(whole), "explanation's characters": characters(explained)}
    return found, Counter(sizes)


def check(asked: list[tuple[str, str]]) -> tuple[list[str], dict[str, int]]:
    """Problems by question, and counts."""
    found: list[str] = []
    counts: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for ident, question in asked:
        counts["questions"] += 1
        try:
            answer = ask(question)
        except InputError as error:
            counts["refused in one line"] += 1
            found += [f"{ident}: {item}" for item in message_problems(notice_blocks(str(error)))]
            continue
        wrong, sizes = problems(answer)
        counts["answered" if answer.results else "asked back" if answer.needs else "no result"] += 1
        counts["with a figure"] += bool(answer.figures)
        counts["cut"] += sizes["blocks"] > MESSAGE_BLOCKS or sizes["characters"] > MESSAGE_CHARACTERS
        counts["explanation cut"] += sizes["explanation's characters"] > MESSAGE_CHARACTERS
        most |= sizes  # the larger of each
        found += [f"{ident}: {item}" for item in wrong]
    return found, {**counts, **{f"most {name}": size for name, size in most.items()}}


if __name__ == "__main__":
    given = [Path(name) for name in sys.argv[1:]] or sorted(SUITES.glob("*.yaml"))
    wrong, seen = check(list(questions(given)))
    print("\n".join([*wrong, str(seen)]))
    sys.exit(1 if wrong else 0)
