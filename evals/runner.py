"""Scores the built-in path, or a language model, on the suites in evals/suites.

    python -m evals.runner [--suite NAME] [--model provider:name] [--repeats K] [--log FILE]

The report says how many cases of each suite hold and names those that do not; the log has one JSON line a case and repeat.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from agent import ask
from agent.brief import Brief
from agent.planner import plan_steps
from agent.state import Context
from evals.understanding import compare, equal
from knowledge.errors import InputError
from knowledge.library import parse_yaml

Case = Mapping[str, Any]
Judge = Callable[[Case, Context], str]


@dataclass(frozen=True)
class Outcome:
    """One case judged: empty `problem` where it holds."""

    suite: str
    id: str
    repeat: int
    problem: str
    seconds: float


def load(suite: str) -> list[dict[str, Any]]:
    """The cases of a suite."""
    return parse_yaml((files("evals") / "suites" / f"{suite}.yaml").read_text(encoding="utf8"))


def _stated(wanted: Mapping[str, Any], brief: Brief) -> str:
    found = brief.stated()
    wrong = [
        name for name, value in wanted.items() if (found.get(name) != value if name == "task" else not equal(name, value, found.get(name)))
    ]
    return f"brief: {', '.join(f'{name} {found.get(name)} not {wanted[name]}' for name in wrong)}" if wrong else ""


def _understanding(case: Case, context: Context) -> str:
    return " ".join(compare(case["brief"], ask(case["question"], context=context).brief.stated()))


def _answers(case: Case, context: Context) -> str:
    results = ask(case["question"], context=context).results
    for key, wanted in case["values"].items():
        found = [float(v.value) for r in results for k, v in r.values.items() if k == key and isinstance(v.value, int | float)]
        if not any(abs(value / wanted - 1) <= case["rel_tol"] for value in found):
            return f"{key} {found[:3]} not {wanted}"
    return ""


def _must(case: Case, context: Context) -> str:
    try:
        answer = ask(case["question"], context=context)
    except InputError as error:
        return "" if case.get("refuse") == "input" else f"refused: {error}"
    if "ask" in case:
        asked = {need.field for need in answer.needs}
        return "" if asked & set(case["ask"]) and not answer.results else f"asks {sorted(asked)}, results {len(answer.results)}"
    return "" if case["refuse"] == "scope" and answer.brief.task == "out_of_scope" else f"read as {answer.brief.task}"


def _multi_turn(case: Case, context: Context) -> str:
    before: Brief | None = None
    for number, turn in enumerate(case["turns"], 1):
        answer = ask(turn["say"], previous=before, context=context)
        before = answer.brief
        problem = _stated(turn["brief"], before)
        if not problem and "view" in turn and not any(section.key.endswith(turn["view"]) for section in answer.sections[:2]):
            problem = f"shows {answer.sections[0].key} first"
        if problem:
            return f"turn {number}: {problem}"
    return ""


def _languages(case: Case, context: Context) -> str:
    answer = ask(case["question"], context=context)
    problem = _stated(case["brief"], answer.brief)
    if not problem and answer.brief.language != case["language"]:
        return f"language {answer.brief.language}"
    return problem or ("" if re.search(case["says"], answer.text) else f"says {answer.headline!r}")


def _paraphrase(case: Case, context: Context) -> str:
    """A group holds where all its wordings lead to one plan."""
    plans: dict[str, str] = {}
    for question in case["questions"]:
        brief = ask(question, context=context).brief if context.model else _read(question)
        steps = sorted(((step.tool, step.case) for step in plan_steps(brief)), key=str)
        given = {
            name: sorted(value) if isinstance(value, list) else value
            for name, value in brief.stated().items()
            if name not in ("missing", "details", "also", "language", "architecture")
        }
        plans.setdefault(json.dumps([steps, given], sort_keys=True, default=str), question)
    return "" if len(plans) == 1 else "; ".join(f"{question!r}: {plan}" for plan, question in plans.items())


def _read(question: str) -> Brief:
    from agent.understand import parse

    return parse(question).brief


def _injection(case: Case, _context: Context) -> str:
    from evals.injection import verdict

    return verdict(case)


SUITES: dict[str, Judge] = {
    "understanding": _understanding,
    "answers": _answers,
    "must": _must,
    "multi_turn": _multi_turn,
    "languages": _languages,
    "paraphrase": _paraphrase,
    "injection": _injection,
}


def run(suite: str, context: Context | None = None, repeats: int = 1, keep: Callable[[Case], bool] = lambda _: True) -> list[Outcome]:
    """Every case of a suite judged, in order. A crash is a problem like any other."""
    found: list[Outcome] = []
    for case in filter(keep, load(suite)):
        for repeat in range(repeats):
            begun = time.perf_counter()
            try:
                problem = SUITES[suite](case, context or Context())
            except InputError as error:
                problem = f"refused: {error}"
            except Exception as error:  # noqa: BLE001 - a crash is the finding
                problem = f"CRASHED {type(error).__name__}: {error}"
            found.append(Outcome(suite, case["id"], repeat, problem, time.perf_counter() - begun))
    return found


def report(outcomes: list[Outcome]) -> str:
    """Shares by suite, then what does not hold."""
    lines: list[str] = []
    for suite in dict.fromkeys(outcome.suite for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.suite == suite]
        held = sum(not outcome.problem for outcome in mine)
        lines.append(f"{suite:14s} {held:4d} of {len(mine):4d} hold ({100 * held / len(mine):.1f}%), {sum(o.seconds for o in mine):.1f} s")
    lines += [f"  {outcome.suite} {outcome.id}: {outcome.problem[:300]}" for outcome in outcomes if outcome.problem]
    return "\n".join(lines)


def main() -> int:
    """Exit status 0; the report is on standard output."""
    options = argparse.ArgumentParser(prog="evals.runner", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--suite", choices=sorted(SUITES), action="append", help="default: all")
    options.add_argument("--model", metavar="PROVIDER:NAME")
    options.add_argument("--base-url")
    options.add_argument("--seconds", type=float, default=20.0, help="time limit of the model for a question")
    options.add_argument("--repeats", type=int, default=1)
    options.add_argument("--log", help="file of JSON lines")
    given = options.parse_args()
    context = Context(model=given.model, base_url=given.base_url, model_timeout_seconds=given.seconds)
    outcomes = [outcome for suite in given.suite or SUITES for outcome in run(suite, context, given.repeats)]
    if given.log:
        with open(given.log, "w", encoding="utf8") as out:
            out.writelines(
                json.dumps({**asdict(outcome), "model": given.model or "built-in"}, ensure_ascii=False) + "\n" for outcome in outcomes
            )
    print(report(outcomes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
