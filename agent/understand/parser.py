"""The built-in understanding: a question (and the brief before it) becomes a brief, with confidences, other readings and notices."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agent.brief import Brief
from agent.understand import names, tasks
from agent.understand._condense import NOTICE as LONG
from agent.understand._condense import Condensed, condense
from agent.understand._fill import fill, finish
from agent.understand._filled import Filled
from agent.understand._instructions import NOTICE, leave_unread, sentences
from agent.understand._lexicon import guess_language, language
from agent.understand._text import Atom, atoms, fold, script
from agent.understand._typos import correct, correct_text
from agent.understand._untold import unused, vague
from agent.understand.context import merge
from agent.understand.details import details
from agent.understand.quantities import Measure, measures
from agent.understand.slots import scene
from knowledge.errors import InputError

LIMIT = 20_000
# A pair of languages ("en-de") is what is translated, not what the question is written in.
_PAIR = re.compile(r"\b(?:en|de|fr|es|it|pt|ru|zh|ja|ko|nl|cs|ar|hi)\s?(?:-|->|→|/|to)\s?(?:en|de|fr|es|it|pt|ru|zh|ja|ko|nl|cs|ar|hi)\b")


_CJK_HOUR = re.compile("時間|小时|小時")


@dataclass(frozen=True, slots=True)
class Span:
    """Where in the question a field's value was read."""

    start: int
    end: int
    field: str
    value: Any


@dataclass(frozen=True, slots=True)
class Understanding:
    """A brief with what is known about the reading: confidence (0..1) per field, other readings, spans, notices for the person."""

    brief: Brief
    confidence: dict[str, float]
    readings: list[Brief] = field(default_factory=list[Brief])
    spans: list[Span] = field(default_factory=list[Span])
    notices: list[str] = field(default_factory=list[str])
    language: str = "en"


def check_length(question: str) -> None:
    """Raise InputError for an empty question or one above 20,000 characters."""
    if not question.strip():
        raise InputError("question", "is empty", "ask something, for instance: best model for 1e22 FLOPs on 8 H100s")
    if len(question) > LIMIT:
        raise InputError("question", f"has {len(question):,} characters", f"at most {LIMIT:,}")


def read_atoms(text: str) -> tuple[list[Atom], list[names.Name], str]:
    """Atoms of folded text with every name as one atom, the names, and the language."""
    spotted = names.spot(text)
    lang = script(text) or guess_language(atoms(_PAIR.sub(" ", text)))
    european = lang in ("de", "fr", "es")
    found: list[Atom] = []
    at = 0
    for name in spotted:
        found += atoms(text, at, name.start, european)
        found.append(Atom("entity", name.text, name.start, name.end, 0.0, (name.kind, name.id)))
        at = name.end
    found += atoms(text, at, None, european)
    if lang == "en":
        for atom in found:
            if atom.kind == "word" and len(atom.text) > 3:
                atom.text = correct(atom.text)
    return found, spotted, lang


def plain_words(text: str, spotted: list[names.Name], found: list[Measure]) -> str:
    """The text for task detection: names and amounts whose words would mislead ("Epoch", "exaFLOP-days", "GPU-hours") made plain."""
    masks = [(name.start, name.end, "besiroglu") for name in spotted if name.kind == "law" and "epoch" in name.text]
    masks += [(m.start, m.end, "1e21 flops") for m in found if m.dim == "flop" and "day" in text[m.start : m.end]]
    masks += [(m.start, m.end, "amount gpuhours") for m in found if m.dim in ("acc_hours", "node_hours")]
    # "1時間2ドル": the hour of a price is no duration asked for.
    masks += [(m.start, m.end, "x") for m in found if m.dim in ("used", "usd_per_hour") and _CJK_HOUR.search(text, m.start, m.end)]
    for start, end, plain in sorted(masks, reverse=True):
        text = text[:start] + plain + text[end:]
    return text


def asked_parts(text: str) -> list[tuple[int, int]]:
    """Sentences that ask, when some do and others do not."""
    parts = sentences(text)
    marked = [part for part in parts if "?" in text[part[0] : part[1]]]
    asking = marked or [part for part in parts if tasks.ASKS.search(text, *part)]
    return asking if asking and len(asking) < len(parts) else []


@dataclass(slots=True)
class _Reading:
    """A message read once: its text without orders to the assistant, what was found in it and what is asked."""

    text: str
    filled: Filled
    words: str
    language: str
    decided: tasks.Decision
    part: Condensed = field(default_factory=lambda: Condensed(""))


def _found(text: str) -> tuple[Filled, str, str]:
    """(fields found, words for task detection, language) of folded text."""
    text_atoms, spotted, lang_name = read_atoms(text)
    lang = language(lang_name)
    unclear = vague(lang, text_atoms)
    found = [one for one in measures(lang, text_atoms) if not any(start <= one.start < end for start, end in unclear)]
    filled = fill(scene(lang, text_atoms), found, spotted, text)
    filled.vague = unclear
    words = plain_words(text, spotted, found)
    return filled, correct_text(words) if lang_name == "en" else words, lang_name


def _decided(text: str) -> _Reading:
    filled, words, lang = _found(text)
    return _Reading(text, filled, words, lang, tasks.decide(words, asked_parts(words), filled, lang))


def _read(question: str) -> _Reading:
    """The planning question of a message: neither orders to the assistant nor talk beside it decide what is asked."""
    whole = fold(question)
    part = condense(whole)
    folded = part.text
    text = leave_unread(folded, tasks.asks_for_plan)
    reading = _decided(text)
    if reading.decided.task == "out_of_scope" and (rest := _planning_only(text)):
        other = _decided(rest)
        if other.decided.task != "out_of_scope":
            reading = other
    reading.part = part
    if text != folded:
        reading.filled.notices.append(NOTICE)
    if len(folded) < len(whole):
        reading.filled.notices.append(LONG)
    return reading


def _planning_only(text: str) -> str:
    """The text with only its sentences about planning left, offsets kept; empty where there are none that ask, or no others."""
    parts = sentences(text)
    aside = [part for part in parts if not tasks.of_planning(text[slice(*part)]) or tasks.off_topic(text[slice(*part)])]
    if not aside or len(aside) == len(parts):
        return ""
    for start, end in aside:
        text = text[:start] + "\n" + " " * (end - start - 1) + text[end:]
    return text if tasks.asks(text) else ""


def observed(question: str) -> tasks.Observed:
    """The evidence and features of a question: what the weights of task detection are learned from."""
    filled, words, lang = _found(leave_unread(condense(fold(question)).text, tasks.asks_for_plan))
    return tasks.observe(words, asked_parts(words), filled, lang)


def warm() -> None:
    """Read every lexicon and compile every pattern, about half a second, so that no later question pays for it: for services, at their start."""
    tasks.compile_phrases()
    for text in (
        "Warm up: 7B on 2T tokens with 8 H100s, how long by Chinchilla?",
        "7Bを2Tトークンで学習",
        "训练 7B",
        "wie lange?",
        "combien ?",
        "¿cuánto?",
    ):
        _read(text)


def parse(question: str, context: Brief | None = None) -> Understanding:
    """What a question asks. `context` is the brief of the message before, for follow-ups such as "and with half the data?".

    Raises InputError for an empty or overlong question and for values that cannot be meant (negative, NaN, 1e40 params).
    """
    check_length(question)
    reading = _read(question)
    text, filled, decided = reading.text, reading.filled, reading.decided
    finish(filled, decided.task)
    if context is not None:
        merged = merge(text, decided, filled, context, bool(_missing(decided.task, filled)))
        if merged is not None:
            before = context.details or {} if merged["task"] == context.task else {}
            merged["details"] = {**before, **details(text, merged["task"])} or None
            return _understanding(merged, reading, {"task": 0.9}, [], question)
    values: dict[str, Any] = {"task": decided.task}
    if decided.also:
        values["also"] = decided.also
    if decided.task != "out_of_scope":
        values |= filled.values
        values |= _missing(decided.task, filled)
        values |= {"details": told} if (told := {**details(text, decided.task), **filled.told}) else {}
    confidence = {"task": decided.confidence}
    readings = [{**values, "task": other, "also": None} for other in decided.others]
    return _understanding(values, reading, confidence, readings, question)


def _understanding(
    values: dict[str, Any], reading: _Reading, confidence: dict[str, float], others: list[dict[str, Any]], question: str
) -> Understanding:
    filled, lang, part = reading.filled, reading.language, reading.part
    if lang != "en":
        values = {**values, "language": lang}
    brief = Brief.read(values)
    stated = brief.stated()
    confidence |= {name: filled.confidence.get(name, 0.9) for name in stated if name not in ("task", "also", "missing", "language")}
    readings = [Brief.read({k: v for k, v in other.items() if v is not None}) for other in others]
    for name, value in filled.alternatives():
        if name in stated and confidence.get(name, 1.0) < 0.62:
            readings.append(Brief.read({**{k: v for k, v in stated.items() if k != name}, value: stated[name]}))
    notices = (
        filled.notices
        if brief.task == "out_of_scope"
        else [*filled.notices, *_untold(filled, stated, lambda start, end: question[part.origin(start) : part.origin(end - 1) + 1])]
    )
    spans = [Span(part.origin(start), part.origin(end - 1) + 1, name, stated[name]) for start, end, name in filled.spans if name in stated]
    return Understanding(brief, confidence, readings, spans, notices, lang)


def _untold(filled: Filled, stated: dict[str, Any], quote: Callable[[int, int], str]) -> list[str]:
    """What of the message no field holds, in words for the person."""
    left = unused(filled.measures, filled.slots, stated, stated.get("details", {}))
    return [f"“{quote(start, end)}” says no amount; state a number to have it used" for start, end in filled.vague] + [
        f"“{quote(start, end)}” was not used; if it matters, say what it is" for start, end in left
    ]


_NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "allocate": (
        ("compute_flops",),
        ("budget_usd",),
        ("accelerator_hours",),
        ("n_accelerators", "duration_seconds"),
        ("params_total",),
        ("tokens",),
        ("target_loss",),
        ("models",),
        ("unique_tokens",),
    ),
    "wall_clock": (("compute_flops",), ("params_total",), ("models",), ("tokens",), ("accelerator_hours",)),
    "cost": (
        ("compute_flops",),
        ("params_total",),
        ("models",),
        ("accelerator_hours",),
        ("tokens",),
        ("n_accelerators", "duration_seconds"),
    ),
    "serve": (("params_total",), ("models",), ("params_active",)),
    "memory": (("params_total",), ("models",)),
    "predict_loss": (("params_total",), ("tokens",), ("compute_flops",), ("models",)),
    "hyperparameters": (("params_total",), ("tokens",), ("compute_flops",), ("models",), ("laws",), ("batch_tokens",)),
    "batch_size": (
        ("tokens",),
        ("compute_flops",),
        ("params_total",),
        ("models",),
        ("laws",),
        ("target_loss",),
        ("observed_loss",),
        ("batch_tokens",),
    ),
    "fit": (("runs",),),
}
_ASK_BACK: dict[str, list[str]] = {
    "allocate": ["compute_flops", "n_accelerators", "accelerator", "duration_seconds"],
    "wall_clock": ["params_total", "tokens", "n_accelerators", "accelerator"],
    "cost": ["params_total", "tokens"],
    "serve": ["params_total", "accelerator"],
    "memory": ["params_total"],
    "predict_loss": ["params_total", "tokens"],
    "hyperparameters": ["params_total", "tokens"],
    "batch_size": ["params_total", "tokens"],
    "fit": ["runs"],
}


# Asked of a change alone, or for each parameter, there is nothing to be stated first.
_RELATIVE = re.compile(
    r"\b(?:doubl\w*|halv\w*|tripl\w*|quadrupl\w*|\d+ ?(?:x|times|fold)|(?:d_?model|width)|per param\w*|each param\w*|pro parameter|par paramètre"
    r"|longer|from \d)\b"
)


def _missing(task: str, filled: Filled) -> dict[str, Any]:
    """Fields to ask back: where no way to the result is stated, not even in euro or in words such as "a few weeks"."""
    values = filled.values
    if task not in _NEEDS or any(all(name in values for name in way) for way in _NEEDS[task]):
        return {}
    if task in ("allocate", "cost", "wall_clock") and (filled.vague or any(one.euro for one in filled.measures)):
        return {}
    if task in ("hyperparameters", "batch_size", "memory") and _RELATIVE.search(filled.text):
        return {}
    return {"missing": [name for name in _ASK_BACK[task] if name not in values]}
