"""How usual words go with tasks: weights learned from our own suite (evals/task_prior.py), one voice beside the written evidence."""

from __future__ import annotations

import functools
import itertools
import json
import math
import re
from collections.abc import Iterable
from importlib.resources import files

_WORD = re.compile(r"[^\W_]+|[?$%/]")
_DIGITS = re.compile(r"\d[\d.,e+]*")


def features(text: str, fields: Iterable[str]) -> set[str]:
    """Words, pairs of words, the opening and the stated fields; numbers are all alike."""
    words = [_DIGITS.sub("#", word)[:12] for word in _WORD.findall(text)]
    found = {*words, *(f"{one}_{two}" for one, two in itertools.pairwise(words)), *(f"F:{name}" for name in fields)}
    if words:
        found |= {f"1:{words[0]}", f"1:{'_'.join(words[:2])}"}
    return found


@functools.cache
def _weights() -> tuple[list[str], dict[str, list[list[float]]]]:
    data = json.loads((files("agent.understand") / "lexicon" / "task_prior.json").read_text(encoding="utf8"))
    return data["tasks"], data["weights"]


def leanings(text: str, fields: Iterable[str]) -> dict[str, float]:
    """For every task how much the words lean to it, relative to the mean of all (natural-log odds, about -2 to 4)."""
    tasks, weights = _weights()
    total = [0.0] * len(tasks)
    found = features(text, fields)
    known = [weights[name] for name in sorted(found) if name in weights]
    scale = 1.0 / math.sqrt(len(known)) if known else 0.0
    for entries in known:
        for number, weight in entries:
            total[int(number)] += scale * weight
    for number, weight in weights[""]:
        total[int(number)] += weight
    mean = sum(total) / len(total)
    return {task: value - mean for task, value in zip(tasks, total, strict=True)}
