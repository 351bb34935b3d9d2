"""Learns agent/understand/lexicon/task_prior.json from our own questions: `python -m evals.task_prior` (`--score` only measures)."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import agent.understand
from agent.understand import observed, parse
from agent.understand._prior import evidence_of, forget
from agent.understand.tasks import Observed
from evals.understanding import load
from knowledge.library import parse_yaml

RIDGE, ROUNDS, SMALLEST = 1e-4, 200, 0.2


@dataclass(frozen=True)
class Example:
    """A question with its task, what else it asks, whether it is kept aside and whether the written evidence was tuned on it."""

    question: str
    task: str
    also: tuple[str, ...]
    aside: bool
    tuned: bool


def training_questions() -> list[Example]:
    """The compact training files: one question a line under its task, every fourth kept aside."""
    found: list[Example] = []
    for name in ("understanding_train", "understanding_train_2", "understanding_train_3", "understanding_train_4", "understanding_train_5"):
        for task, block in parse_yaml((files("evals") / "suites" / f"{name}.yaml").read_text(encoding="utf8")).items():
            for number, line in enumerate(line for line in block.splitlines() if line.strip()):
                question, _, also = line.partition(" >> ")
                found.append(Example(question.strip(), task, tuple(also.split(", ")) if also else (), number % 4 == 3, name.endswith("_3")))
    return found


def examples(every: bool = False) -> list[Example]:
    """All questions to learn from: the training files without what is aside (`every`: with it), and our suite without its held-out half."""
    suite = [
        Example(entry["question"], entry["brief"]["task"], tuple(entry["brief"].get("also") or ()), False, True)
        for entry in load()
        if "held" not in (entry.get("tags") or ())
    ]
    return [one for one in training_questions() if every or not one.aside] + suite


def train(seen: Sequence[Observed], asked_for: Sequence[str], tuned: Sequence[bool]) -> dict[str, Any]:
    """Multinomial logistic regression with a ridge on unit-length vectors of features weighted by rarity, and one weight for the written evidence.

    The written evidence of questions it was tuned on is left out: there it looks better than it is. No randomness.
    """
    import numpy as np
    from scipy.optimize import minimize
    from scipy.sparse import csr_matrix, diags

    counts = Counter(name for one in seen for name in one.features)
    names = sorted(name for name, count in counts.items() if count >= 2)
    column = {name: number for number, name in enumerate(names)}
    rarity = np.log((len(seen) + 1) / (np.array([counts[name] for name in names]) + 1))
    rows = [sorted(column[name] for name in one.features if name in column) for one in seen]
    flat = [at for row in rows for at in row]
    inputs = csr_matrix((rarity[flat], flat, np.cumsum([0, *map(len, rows)])), shape=(len(seen), len(names)))
    lengths = np.sqrt(np.asarray(inputs.multiply(inputs).sum(axis=1)).ravel())
    inputs = csr_matrix(diags(1.0 / np.maximum(lengths, 1e-9)) @ inputs)
    tasks = sorted(set(asked_for))
    evidence = np.array(
        [[0.0 if known else evidence_of(one.table, task) for task in tasks] for one, known in zip(seen, tuned, strict=True)]
    )
    targets = np.eye(len(tasks))[[tasks.index(task) for task in asked_for]]
    size = len(names) * len(tasks)

    def loss(point: Any) -> tuple[float, Any]:
        weights, bias, scale = point[:size].reshape(len(names), len(tasks)), point[size:-1], point[-1]
        scores = inputs @ weights + bias + scale * evidence
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        value = -np.log((odds * targets).sum(axis=1) + 1e-12).mean() + RIDGE / 2 * (weights**2).sum()
        off = (odds - targets) / len(seen)
        return value, np.concatenate([(inputs.T @ off + RIDGE * weights).ravel(), off.sum(axis=0), [(off * evidence).sum()]])

    best = minimize(loss, np.zeros(size + len(tasks) + 1), jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS}).x
    weights = best[:size].reshape(len(names), len(tasks))
    kept: dict[str, list[float]] = {}
    for name, at in column.items():
        entries = [(number, round(float(w), 1)) for number, w in enumerate(weights[at]) if abs(w) >= SMALLEST]
        kept[name] = [round(float(rarity[at]), 2), *(part for entry in entries for part in entry)]
    bias = [round(float(value), 3) for value in best[size:-1]]
    return {"tasks": tasks, "evidence": round(float(best[-1]), 3), "bias": bias, "weights": kept}


def score(questions: Sequence[Example]) -> str:
    """Share of tasks and of `also` right, overall and by task, with every question misread."""
    right: dict[str, list[tuple[bool, bool]]] = {"all": []}
    misses: list[str] = []
    for one in questions:
        brief = parse(one.question).brief.stated()
        marks = brief["task"] == one.task, set(brief.get("also") or ()) == set(one.also)
        right["all"].append(marks)
        right.setdefault(one.task, []).append(marks)
        if not all(marks):
            misses.append(f"{one.task} {list(one.also)} read as {brief['task']} {brief.get('also') or []}: {one.question}")
    share = lambda marks, part: 100 * sum(mark[part] for mark in marks) / len(marks)  # noqa: E731
    lines = [f"{name:20s} {len(marks):4d}  task {share(marks, 0):5.1f}%  also {share(marks, 1):5.1f}%" for name, marks in right.items()]
    return "\n".join([*lines, *misses])


def learn(learned: Sequence[Example]) -> None:
    """Write the weights beside the lexicons."""
    weights = train([observed(one.question) for one in learned], [one.task for one in learned], [one.tuned for one in learned])
    path = Path(agent.understand.__file__).parent / "lexicon" / "task_prior.json"
    path.write_text(json.dumps(weights, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf8")
    print(f"{len(learned)} questions, {len(weights['weights'])} features, {path.stat().st_size / 1000:.0f} kB -> {path}")


def main() -> int:
    """Learn, score the questions kept aside, then learn once more from all of them; `--score` leaves the weights, `--all` scores every question."""
    arguments = argparse.ArgumentParser(prog="evals.task_prior", description=main.__doc__)
    arguments.add_argument("--score", action="store_true")
    arguments.add_argument("--all", action="store_true")
    options = arguments.parse_args()
    if not options.score:
        learn(examples())
        forget()
    print(score([one for one in training_questions() if options.all or one.aside]))
    if not options.score:
        learn(examples(every=True))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
