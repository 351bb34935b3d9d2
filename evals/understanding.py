"""Scores the built-in understanding on a suite of questions with gold briefs: `python -m evals.understanding [FILE]`."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from agent.understand import parse, warm
from knowledge.errors import InputError
from knowledge.library import parse_yaml

# In counts of tokens people write k and M for 1024 and 1024**2 as often as for the decimal ones.
BINARY_FIELDS = frozenset({"sequence_length", "input_tokens", "output_tokens", "batch_tokens", "vocab_size", "concurrency"})
UNSCORED = frozenset({"missing", "language", "details", "task", "also"})
REL_TOL = 1e-6


@dataclass
class Score:
    """Sums over questions: tasks right, fields right, missed and spurious, whole questions right, seconds used."""

    questions: int = 0
    tasks: int = 0
    also: int = 0
    whole: int = 0
    gold_fields: int = 0
    right_fields: int = 0
    spurious: int = 0
    stated: int = 0
    seconds: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        """One line of the report."""
        share = lambda part, of: f"{100 * part / of:5.1f}%" if of else "    -"  # noqa: E731
        return (
            f"{name:16s} {self.questions:4d}  task {share(self.tasks, self.questions)}  fields {share(self.right_fields, self.gold_fields)}"
            f"  spurious {share(self.spurious, self.stated)}  whole {share(self.whole, self.questions)}"
        )

    @property
    def task_accuracy(self) -> float:
        """Share of questions whose task is right, 0..1."""
        return self.tasks / max(self.questions, 1)

    @property
    def field_recall(self) -> float:
        """Share of gold fields that were read right, 0..1."""
        return self.right_fields / max(self.gold_fields, 1)

    @property
    def spurious_share(self) -> float:
        """Share of the fields read that no question states, 0..1."""
        return self.spurious / max(self.stated, 1)

    @property
    def whole_accuracy(self) -> float:
        """Share of questions read right as a whole, 0..1."""
        return self.whole / max(self.questions, 1)


@dataclass(frozen=True)
class Case:
    """One question with what was expected and found."""

    id: str
    question: str
    gold: Mapping[str, Any]
    found: Mapping[str, Any]
    wrong: tuple[str, ...]
    seconds: float
    tags: tuple[str, ...]


def _number_equal(name: str, gold: float, found: float) -> bool:
    ways = [gold]
    if name in BINARY_FIELDS or name.endswith("tokens"):
        ways += [gold * 1.024, gold * 1.024**2, gold * 1.024**3]
    # The gold file rounds derived latencies (33.33) to four digits.
    tolerance = 2e-4 if name == "latency_ms_per_token" else REL_TOL
    return any(abs(found - way) <= tolerance * max(abs(way), 1e-300) for way in ways)


def equal(name: str, gold: Any, found: Any) -> bool:
    """Whether a field's value is the gold one: numbers within tolerance, lists as sets."""
    if found is None:
        return False
    gold_list = gold if isinstance(gold, list) else [gold]
    found_list = found if isinstance(found, list) else [found]
    if len(gold_list) != len(found_list):
        return False

    def same(one: Any, two: Any) -> bool:
        return _number_equal(name, float(one), float(two)) if isinstance(one, int | float) and isinstance(two, int | float) else one == two

    return all(any(same(one, two) for two in found_list) for one in gold_list)


def compare(gold: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of what differs: fields missed or wrong, spurious ones with a plus in front, task and also."""
    wrong = [name for name in gold.keys() - UNSCORED if not equal(name, gold[name], found.get(name))]
    wrong += [f"+{name}" for name in found.keys() - gold.keys() - UNSCORED]
    if gold["task"] != found.get("task"):
        wrong.append("task")
    if set(gold.get("also") or []) != set(found.get("also") or []):
        wrong.append("also")
    return tuple(sorted(wrong))


def built_in(question: str) -> dict[str, Any]:
    """The brief of the built-in parser as plain data; a refused question has only the task out_of_scope and the error."""
    try:
        return parse(question).brief.stated()
    except InputError as error:
        return {"task": "refused", "missing": [error.field]}


def run(questions: Iterable[Mapping[str, Any]], understand: Callable[[str], dict[str, Any]] = built_in) -> list[Case]:
    """Every question read once, with the CPU time it took."""
    cases: list[Case] = []
    for entry in questions:
        begun = time.thread_time()
        found = understand(entry["question"])
        seconds = time.thread_time() - begun
        gold = entry["brief"]
        tags = tuple(entry.get("tags") or ())
        cases.append(Case(str(entry["id"]), entry["question"], gold, found, compare(gold, found), seconds, tags))
    return cases


def score(cases: Iterable[Case]) -> Score:
    """Sums of the cases."""
    total = Score()
    for case in cases:
        fields = [name for name in case.gold if name not in UNSCORED]
        total.questions += 1
        total.tasks += "task" not in case.wrong
        total.also += "also" not in case.wrong
        total.whole += not case.wrong
        total.gold_fields += len(fields)
        total.right_fields += sum(name not in case.wrong for name in fields)
        total.spurious += sum(name.startswith("+") for name in case.wrong)
        total.stated += sum(name not in UNSCORED for name in case.found)
        total.seconds.append(case.seconds)
    return total


def load(path: str | Path | None = None) -> list[dict[str, Any]]:
    """The questions of a suite file; our own suite when no path is given."""
    text = Path(path).read_text(encoding="utf8") if path else (files("evals") / "suites" / "understanding.yaml").read_text(encoding="utf8")
    return parse_yaml(text)


def report(cases: list[Case], verbose: bool) -> str:
    """A readable report: overall, by tag, by task, times, and with `verbose` every wrong question."""
    total = score(cases)
    times = sorted(total.seconds)
    lines = [total.line("all")]
    for tag in sorted({tag for case in cases for tag in case.tags}):
        lines.append(score(case for case in cases if tag in case.tags).line(tag))
    lines += [
        score(case for case in cases if case.gold["task"] == task).line(task) for task in sorted({case.gold["task"] for case in cases})
    ]
    late = 1e3 * times[int(0.99 * (len(times) - 1))]
    lines.append(f"milliseconds of CPU a question: median {1e3 * statistics.median(times):.2f}, 99th percentile {late:.2f}")
    for case in cases if verbose else []:
        if case.wrong:
            lines.append(
                f"\n{case.id} {' '.join(case.question.split())}\n  wrong {', '.join(case.wrong)}"
                f"\n  gold  {dict(case.gold)}\n  found {dict(case.found)}"
            )
    return "\n".join(lines)


def main() -> int:
    """Command line: scores of a suite file, `-v` shows what is wrong, `--half a|b` takes one half of our own suite."""
    arguments = argparse.ArgumentParser(prog="evals.understanding", description=main.__doc__)
    arguments.add_argument("file", nargs="?")
    arguments.add_argument("-v", "--verbose", action="store_true")
    arguments.add_argument("--half", choices=["tune", "held"], help="the half we tuned on, or the one we did not look at")
    options = arguments.parse_args()
    questions = load(options.file)
    warm()
    if options.half:
        questions = [entry for entry in questions if options.half == ("held" if "held" in (entry.get("tags") or ()) else "tune")]
    print(report(run(questions), options.verbose))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
