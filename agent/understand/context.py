"""Follow-ups: a short message read against the brief before it ("and with half the data?", "same on B200s", "use Kaplan instead")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from agent.brief import Brief

if TYPE_CHECKING:
    from agent.understand._filled import Filled
    from agent.understand.tasks import Decision

_FACTORS = {
    "half": 0.5,
    "halved": 0.5,
    "halve": 0.5,
    "double": 2.0,
    "doubled": 2.0,
    "twice": 2.0,
    "triple": 3.0,
    "three times": 3.0,
    "a quarter of": 0.25,
    "quadruple": 4.0,
    "four times": 4.0,
    "ten times": 10.0,
    "a third of": 1 / 3,
    "die hälfte": 0.5,
    "halb": 0.5,
    "doppelt": 2.0,
    "la moitié": 0.5,
    "le double": 2.0,
    "la mitad": 0.5,
    "el doble": 2.0,
    "一半": 0.5,
    "两倍": 2.0,
    "半分": 0.5,
    "2倍": 2.0,
    "倍": 2.0,
}
_TARGETS = {
    "tokens": r"data|tokens?|corpus|daten|données|datos|数据|データ|トークン",
    "compute_flops": r"compute|flops?|rechenleistung|calcul|cómputo|算力|計算",
    "budget_usd": r"budget|money|dollars|presupuesto|预算|予算",
    "n_accelerators": r"gpus?|cards|chips|accelerators?|nodes|karten|cartes|tarjetas|卡|枚",
    "params_total": r"params?|parameters|size|model|modell|modèle|modelo|模型|モデル",
    "duration_seconds": r"time|days|weeks|long|zeit|temps|tiempo|时间|時間",
    "concurrency": r"users|requests|batch",
    "price_per_accelerator_hour_usd": r"price|rate",
}
_FACTOR = re.compile("|".join(sorted(map(re.escape, _FACTORS), key=len, reverse=True)) + r"|(?P<times>\d+(?:\.\d+)?)\s?(?:x|×|times)")
_FOLLOW = re.compile(
    r"^\W*(?:and|also|same|what (?:about|if)|how about|now|ok(?:ay)?|then|instead|use|try|with|on|but|make (?:it|that)|why"
    r"|und|dasselbe|gleich\w*|was wenn|et|même|la même|y|lo mismo|igual|那|如果|同样|では|同じ|じゃあ)\b"
    r"|\binstead\b|\bsame\b|那么|呢[?？]?$"
)
_SWITCH = frozenset({"params_total", "models"})


def merge(text: str, decided: Decision, filled: Filled, context: Brief, lacking: bool = False) -> dict[str, Any] | None:
    """The values of a follow-up read against its context; None when the message stands alone.

    `lacking`: the message alone does not say enough for its task.
    """
    changes = dict(filled.values)
    factor = _FACTOR.search(text)
    target = _scaled(text, factor, context) if factor else None
    short = len(text.split()) <= 12
    follows = bool(_FOLLOW.search(text)) or target is not None or (lacking and decided.task != "out_of_scope")
    if not (follows and short) and not (short and decided.weight < 2.5 and changes):
        return None
    values = context.stated()
    values.pop("missing", None)
    if decided.weight >= 4.0 and decided.task not in ("out_of_scope", "explain", values["task"]) and not _only_topic(decided, changes):
        values["task"] = decided.task
        values.pop("also", None)
    if target is not None and factor is not None:
        times = float(factor["times"]) if factor["times"] else _FACTORS[factor[0]]
        values[target] = _times(values[target], times)
        changes.pop(target, None)
    for name in _SWITCH & changes.keys():
        for other in _SWITCH - {name}:
            values.pop(other, None)
    return {**values, **changes}


def _only_topic(decided: Decision, changes: dict[str, Any]) -> bool:
    """Whether the words only name a changed field ("use int4 instead") and ask nothing new."""
    return (decided.task == "quantize" and set(changes) <= {"weight_bits"}) or decided.task == "compare_laws"


def _scaled(text: str, factor: re.Match[str], context: Brief) -> str | None:
    """The stated field of the context a factor applies to."""
    stated = context.stated()
    rest = text[factor.end() : factor.end() + 30]
    for name, pattern in _TARGETS.items():
        if re.search(rf"(?:{pattern})", rest):
            if name in stated:
                return name
            if name == "tokens" and "unique_tokens" in stated:
                return "unique_tokens"
    return None


def _times(value: Any, factor: float) -> Any:
    if isinstance(value, list):
        return [_times(item, factor) for item in value]
    return float(f"{value * factor:.12g}")
