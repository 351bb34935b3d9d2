"""Task detection by weighted evidence: phrases of the lexicon, the quantities given and where in the message a thing is asked."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from agent.understand._lexicon import LANGUAGES, read

_GAP = r"(?:[^\w.?!\n]+[^\s?!]+){0,5}?[^\w?!\n]+"
_WH = re.compile(r"(?:what|which|how|when|wie|was|welche\w*|wann|combien|quel\w*|cuánt\w*|qué|cuál)\b")
_WH_BEFORE = re.compile(r"\b(?:what'?s?|which|how|when|wie|welche\w*|quel\w*|qué|cuál)(?: (?:is|are|would|the|a|should|be|our|my|size|does|will)){0,3} $")
_CIRCUMSTANCE = re.compile(r"\b(?:at|with|of|under|by|using|per|given|from)(?: (?:the|a|an|our|its|their|this|my))? $")
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One phrase found: the task it speaks for, its weight, whether it asks, and where it stands."""

    task: str
    weight: float
    asks: bool
    start: int
    end: int


def compile_phrase(phrase: str) -> str:
    """A lexicon phrase as a regular expression (see tasks.yaml for the notation)."""
    if _CJK.search(phrase):
        return phrase.replace(" ", r"\s*").replace("..", ".{0,12}?")
    pieces = [re.sub(r"\s+", r"[\\s-]+", re.sub(r"(?<!\\)(?<=[\w)])\*", r"\\w*", piece.strip())) for piece in phrase.split("..")]
    body = _GAP.join(pieces)
    first = r"\b" if re.match(r"[\w(]", body) else ""
    last = r"\b" if re.search(r"\w$|\)$", body) and not body.endswith("\\b") else ""
    return f"{first}(?:{body}){last}"


@functools.cache
def _patterns() -> list[tuple[str, float, bool, re.Pattern[str]]]:
    found: list[tuple[str, float, bool, re.Pattern[str]]] = []
    files = ["tasks", *(f"tasks_{name}" for name in LANGUAGES if name != "en")]
    for file in files:
        for task, kinds in read(file).items():
            for kind, weights in kinds.items():
                for weight, phrases in weights.items():
                    body = "|".join(compile_phrase(str(phrase).lower()) for phrase in phrases)
                    found.append((task, float(weight), kind == "ask", re.compile(body)))
    return found


def evidence(text: str) -> list[Evidence]:
    """All evidence in folded text."""
    return [
        Evidence(task, weight + (_stress(text, match) if asks else 0.0), asks, match.start(), match.end())
        for task, weight, asks, pattern in _patterns()
        for match in pattern.finditer(text)
    ]


def _stress(text: str, match: re.Match[str]) -> float:
    """A phrase with a question word is what is asked; one behind a preposition is a circumstance ("at the optimal batch")."""
    if _WH.match(match[0]) or _WH_BEFORE.search(text, max(0, match.start() - 24), match.start()):
        return 0.8
    return -0.8 if _CIRCUMSTANCE.search(text, max(0, match.start() - 16), match.start()) else 0.0


def scores(found: list[Evidence], asked: list[tuple[int, int]], given: Mapping[str, float]) -> dict[str, float]:
    """Score of each task: its best phrase, a little for each further one, and what the stated fields suggest."""
    best: dict[str, list[float]] = {}
    for item in found:
        inside = any(start <= item.start < end for start, end in asked) or not asked
        best.setdefault(item.task, []).append(item.weight * (1.0 if inside else 0.45))
    total = {task: max(weights) + 0.25 * min(4.0, sum(sorted(weights)[:-1])) for task, weights in best.items()}
    for task, weight in given.items():
        if task in total:
            total[task] += weight
        elif weight >= 2.0:
            total[task] = weight
    return total


@dataclass(frozen=True, slots=True)
class Decision:
    """The task, what else is asked, how sure the task is and which others came near."""

    task: str
    also: list[str]
    confidence: float
    others: list[str]
    weight: float


# When the first is asked, a mention of the second is part of it and no task of its own.
_ABSORBS: dict[str, frozenset[str]] = {
    "allocate": frozenset({"repeat_data"}),
    "serve": frozenset({"cost", "quantize", "memory", "allocate", "wall_clock"}),
}
_SUBJECTS = frozenset({"diffusion", "video", "multimodal", "translation", "time_series", "science", "rl", "sparsity", "distill", "qat", "moe", "vocabulary", "parallel_scaling"})
_SPECIFIC = frozenset({
    "qat", "distill", "moe", "sparsity", "vocabulary", "parallel_scaling", "repeat_data", "filter_data", "mix_data", "synthetic_data",
    "finetune", "rl", "test_time", "diffusion", "video", "multimodal", "translation", "time_series", "science", "fit", "design_experiments",
    "lr_schedule", "quantize", "serve", "memory", "downstream", "compare_laws", "explain", "out_of_scope",
})
_LEADING = re.compile(r"(?:\band\b|\balso\b|\bplus\b|&|\+|\bund\b|\bet\b|\by\b|,|\?|\.|和|と|；|;)")


def decide(text: str, asked: list[tuple[int, int]], filled: object) -> Decision:
    """The task a question asks for, from its words and from the fields it states."""
    values: Mapping[str, object] = getattr(filled, "values")  # noqa: B009 - a structural view, not an import cycle
    found = evidence(text)
    table = scores(found, asked, _given(values, filled))
    ranked = sorted(table.items(), key=lambda item: -item[1])
    if not ranked or ranked[0][1] < 2.0:
        if values:
            return Decision(_default(values), [], 0.3, ["explain"], 0.0)
        return Decision("out_of_scope", [], 0.6, [], 0.0)
    task, score = ranked[0]
    if task != "out_of_scope" and score < 3.0 and not values and not any(item.asks for item in found):
        return Decision("out_of_scope", [], 0.5, [task], score)
    also = [] if task == "out_of_scope" else _also(text, found, asked, task, score, table)
    if also and _first(found, also[0], asked) < _first(found, task, asked) and also[0] not in _SPECIFIC and task not in _SPECIFIC:
        task, also = also[0], [task, *also[1:]]
    near = [name for name, other in ranked[1:4] if name != task and name not in also and other > 0.8 * score and name != "out_of_scope"]
    margin = (score - (ranked[1][1] if len(ranked) > 1 else 0.0)) / score
    return Decision(task, also, round(min(0.99, 0.5 + 0.6 * margin), 2), near, score)


def _default(values: Mapping[str, object]) -> str:
    if "compute_flops" in values or "budget_usd" in values or "accelerator_hours" in values:
        return "allocate"
    return "predict_loss" if "params_total" in values and "tokens" in values else "allocate"


def _given(values: Mapping[str, object], filled: object) -> dict[str, float]:
    """What the stated fields say about the task."""
    given: dict[str, float] = {}

    def add(task: str, weight: float) -> None:
        given[task] = given.get(task, 0.0) + weight

    if "compute_flops" in values or "budget_usd" in values or "accelerator_hours" in values:
        add("allocate", 0.5)
    if "laws" not in values and isinstance(values.get("weight_bits"), list):
        add("quantize", 2.5)
    if "weight_bits" in values:
        add("quantize", 0.5)
    if "n_experts" in values:
        add("moe", 1.5)
    if "unique_tokens" in values:
        add("repeat_data", 1.5)
    if "samples" in values or "pass_rate" in values:
        add("test_time", 2.0)
    if "latency_ms_per_token" in values or "concurrency" in values or "inference_tokens_per_second" in values:
        add("serve", 2.5)
    if "input_tokens" in values and "output_tokens" in values:
        add("serve", 1.5)
    if "runs" in values:
        add("fit", 2.0)
    if "vocab_size" in values:
        add("vocabulary", 1.0)
    if "price_per_accelerator_hour_usd" in values:
        add("cost", 0.7)
    if getattr(filled, "moe_named", False):
        add("moe", 0.5)
    return given


def _first(found: list[Evidence], task: str, asked: list[tuple[int, int]]) -> int:
    places = [item.start for item in found if item.task == task and item.asks]
    inside = [place for place in places if any(start <= place < end for start, end in asked)]
    return min(inside or places, default=0)


def _also(text: str, found: list[Evidence], asked: list[tuple[int, int]], task: str, score: float, table: Mapping[str, float]) -> list[str]:
    """Other tasks asked in a part of the message of their own."""
    own = [item for item in found if item.task == task and item.asks]
    if not own:
        return []
    best = max(own, key=lambda item: item.weight)
    more: list[str] = []
    for name in table:
        if name in (task, "out_of_scope", "explain") or name in _ABSORBS.get(task, ()) or task in _SUBJECTS:
            continue
        for item in found:
            if item.task != name or not item.asks or item.weight < 4.0 or any(o.start < item.end and item.start < o.end for o in own):
                continue
            if asked and not any(start <= item.start < end for start, end in asked):
                continue
            low, high = min(item.end, best.end), max(item.start, best.start)
            if _LEADING.search(text, low, high) and _connected(text, low, high) and name not in more and table[name] > 0.55 * score:
                more.append(name)
    return more[:2]


_CONNECT = re.compile(r"\b(?:and|also|plus|as well as|und|et|y|too)\b|&|\+|和|以及|と|\?")


def _connected(text: str, low: int, high: int) -> bool:
    return bool(_CONNECT.search(text, max(0, low - 1), high + 1))
