"""End-to-end answers: questions through the whole route, their numbers against the gold answers.

    python -m evals.answers FILE.yaml [--briefs]

FILE has entries {id, question, brief, answer?: {key: number, rel_tol, law}}. `--briefs` feeds the gold brief instead of the question, which
separates understanding from computing. A gold number is found when a result value under the same key is within rel_tol; a match under
another key is counted apart, so that a renamed key shows.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from agent import ask
from agent.brief import Brief
from knowledge.errors import InputError

_META = {"rel_tol", "law", "how", "note"}


def numbers(answer: Any) -> list[tuple[str, float]]:
    """(key, value) of every numeric result value, alternatives aside."""
    return [
        (key, float(value.value))
        for result in answer.results
        for key, value in result.values.items()
        if isinstance(value.value, int | float) and not isinstance(value.value, bool)
    ]


def judge(answer: Any, gold: dict[str, Any]) -> dict[str, str]:
    """For each gold number: same key, other key, or missing."""
    verdicts: dict[str, str] = {}
    for key, wanted in gold.items():
        if key in _META or not isinstance(wanted, int | float):
            continue
        close = [name for name, value in numbers(answer) if abs(value / wanted - 1) <= gold.get("rel_tol", 0.01)]
        verdicts[key] = "same key" if key in close else f"other key ({close[0]})" if close else "missing"
    return verdicts


def run(path: Path, use_briefs: bool) -> Counter[str]:
    """Score one file, printing every question that has no result or a gold number that is not found."""
    counts: Counter[str] = Counter()
    for entry in yaml.safe_load(path.read_text(encoding="utf8")):
        counts["questions"] += 1
        try:
            answer = ask(brief=Brief.read(entry["brief"])) if use_briefs else ask(entry["question"])
        except InputError as error:
            counts["refused"] += 1
            print(f"{entry['id']} refused: {error}")
            continue
        except Exception as error:  # noqa: BLE001 - a crash is the finding
            counts["crashed"] += 1
            print(f"{entry['id']} CRASHED: {type(error).__name__}: {error}"[:300])
            continue
        counts["answered" if answer.results else "asked back" if answer.needs else "no result"] += 1
        if not answer.results and not answer.needs and entry["brief"]["task"] != "out_of_scope":
            print(f"{entry['id']} no result: {entry['brief']}")
        if not answer.results and answer.needs and not entry["brief"].get("missing"):
            print(f"{entry['id']} asks for {answer.needs_any_of}: {entry['brief']}")
        for key, verdict in judge(answer, entry.get("answer", {})).items():
            counts[f"gold {verdict.split(' (')[0]}"] += 1
            if verdict != "same key":
                print(f"{entry['id']} {key} {entry['answer'][key]:g}: {verdict}")
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--briefs", action="store_true")
    options = parser.parse_args()
    print(dict(run(options.file, options.briefs)))
    sys.exit(0)
