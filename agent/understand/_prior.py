"""How words go with tasks: a multinomial logistic regression on top of the written evidence, learned by evals/task_prior.py."""

from __future__ import annotations

import functools
import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files

_CJK = "\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+|[?$%/€@]")
_NUMBER = re.compile(r"\d[\d., ]*(?:e[+-]?\d+)?")
# Fields whose absence says something.
_TELLING = ("params_total", "tokens", "compute_flops", "accelerator", "models", "laws", "params_active")
FLOOR, CEILING = -2.0, 12.0


def _words(text: str) -> list[str]:
    """Words, CJK characters one by one, a few signs; numbers are all alike."""
    return _WORD.findall(_NUMBER.sub(" 0", text))


def features(text: str, asked: Iterable[tuple[int, int]], fields: Iterable[str], marks: Iterable[str]) -> set[str]:
    """Words and pairs (once more for the sentences that ask), beginnings and inner letters of words, opening and end, stated fields and their pairs."""
    words = _words(text)
    found = {*words, *(f"{one}_{two}" for one, two in itertools.pairwise(words)), *marks}
    for word in words:
        if len(word) > 5:
            found.add(f"s:{word[:5]}")
        if len(word) > 3:
            framed = f"<{word}>"
            found.update(f"c:{framed[at : at + 4]}" for at in range(len(framed) - 3))
    for part in [_words(text[start:end]) for start, end in asked] or [words]:
        found.update(f"q:{word}" for word in part)
        found.update(f"q:{one}_{two}" for one, two in itertools.pairwise(part))
        found.add(f"q1:{'_'.join(part[:2])}")
    if words:
        found |= {f"1:{words[0]}", f"1:{'_'.join(words[:2])}", f"e:{words[-1]}", f"e:{'_'.join(words[-2:])}"}
    stated = sorted(fields)
    found.update(f"F:{name}" for name in stated)
    found.update(f"F:{one}&{two}" for one, two in itertools.combinations(stated, 2))
    found.update(f"N:{name}" for name in _TELLING if name not in stated)
    return found


def evidence_of(table: Mapping[str, float], task: str) -> float:
    """The score of the written evidence as the regression takes it."""
    return min(CEILING, max(FLOOR, table.get(task, 0.0)))


@functools.cache
def _weights() -> tuple[list[str], float, list[float], dict[str, list[float]]]:
    data = json.loads((files("agent.understand") / "lexicon" / "task_prior.json").read_text(encoding="utf8"))
    return data["tasks"], data["evidence"], data["bias"], data["weights"]


def forget() -> None:
    """Read the weights anew at the next question: for the learner, which has just written them."""
    _weights.cache_clear()


def log_odds(found: set[str], table: Mapping[str, float]) -> dict[str, float]:
    """For every task its unnormalised natural-log odds, from the features and the scores of the written evidence."""
    tasks, scale, bias, weights = _weights()
    known = [weights[name] for name in sorted(found & weights.keys())]
    length = math.sqrt(sum([entry[0] ** 2 for entry in known])) or 1.0
    total = [0.0] * len(tasks)
    for entry in known:
        rarity = entry[0] / length
        for at, weight in zip(entry[1::2], entry[2::2], strict=True):
            total[int(at)] += rarity * weight
    return {task: bias[at] + total[at] + scale * evidence_of(table, task) for at, task in enumerate(tasks)}


def probabilities(odds: Mapping[str, float]) -> dict[str, float]:
    """Log odds as probabilities that sum to one."""
    top = max(odds.values())
    powers = {task: math.exp(value - top) for task, value in odds.items()}
    total = sum(powers.values())
    return {task: value / total for task, value in powers.items()}
