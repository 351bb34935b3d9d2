"""Learns agent/understand/lexicon/task_prior.json from our own suite without its held-out half: `python -m evals.task_prior`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np

import agent.understand
from agent.understand import reading
from agent.understand._prior import features
from evals.understanding import load

ROUNDS, STEP, MOMENTUM, RIDGE = 400, 6.0, 0.9, 2e-4


def train(examples: list[tuple[set[str], str]]) -> dict[str, object]:
    """Multinomial logistic regression on unit-length feature vectors by plain gradient descent with momentum; no randomness."""
    counts = Counter(name for names, _ in examples for name in names)
    names = sorted(name for name, count in counts.items() if count >= 2)
    column = {name: number for number, name in enumerate(names)}
    tasks = sorted({task for _, task in examples})
    inputs = np.zeros((len(examples), len(names) + 1))
    for row, (found, _) in enumerate(examples):
        known = [column[name] for name in found if name in column]
        inputs[row, known] = 1.0 / max(len(known), 1) ** 0.5
        inputs[row, -1] = 1.0
    targets = np.eye(len(tasks))[[tasks.index(task) for _, task in examples]]
    weights = np.zeros((inputs.shape[1], len(tasks)))
    speed = np.zeros_like(weights)
    for _ in range(ROUNDS):
        scores = inputs @ weights
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        gradient = inputs.T @ (odds / odds.sum(axis=1, keepdims=True) - targets) / len(examples) + RIDGE * weights
        speed = MOMENTUM * speed - STEP * gradient
        weights += speed
    rows = {name: weights[number] for name, number in column.items()} | {"": weights[-1]}
    kept = {name: [[i, round(float(w), 2)] for i, w in enumerate(row) if abs(w) >= 0.12] for name, row in rows.items()}
    return {"tasks": tasks, "weights": {name: row for name, row in kept.items() if row or name == ""}}


def main() -> None:
    """Write the weights beside the lexicons."""
    examples: list[tuple[set[str], str]] = []
    for entry in load():
        if "held" not in (entry.get("tags") or ()):
            words, fields = reading(entry["question"])
            examples.append((features(words, fields), entry["brief"]["task"]))
    path = Path(agent.understand.__file__).parent / "lexicon" / "task_prior.json"
    path.write_text(json.dumps(train(examples), ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf8")
    print(f"{len(examples)} questions, {path.stat().st_size / 1000:.0f} kB -> {path}")


if __name__ == "__main__":
    main()
