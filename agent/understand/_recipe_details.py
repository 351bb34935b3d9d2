"""Details of a training recipe that no brief field holds: learning rate, widths, what a run had before, horizons, shares, counts of examples."""

from __future__ import annotations

import re
from collections.abc import Callable

Found = dict[str, float | str | list[float]]
# Bounded, and never starting inside a number: a long run of digits must not cost more than its length.
_NUM = r"(?<![\d.,])(\d[\d,]{0,18}(?:\.\d{1,12})?(?:e[+-]?\d{1,2})?|\.\d{1,12}|10\s?\^\s?-?\d{1,2})(?!\d)"
_NUM_UNKEPT = _NUM.replace("(\\d[", "(?:\\d[")
_SUFFIX = r"\s?(k|m|mn|million|millionen|millions|millones|b|bn|billion|billions|milliarden|milliards|t|trillion|thousand|万|亿)?"
_SCALES = {
    "k": 1e3,
    "thousand": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "million": 1e6,
    "millionen": 1e6,
    "millions": 1e6,
    "millones": 1e6,
    "b": 1e9,
    "bn": 1e9,
    "billion": 1e9,
    "billions": 1e9,
    "milliarden": 1e9,
    "milliards": 1e9,
    "t": 1e12,
    "trillion": 1e12,
    "万": 1e4,
    "亿": 1e8,
}
_IS = r"\s*(?:of|is|was|=|:|at|to|at about|around|about|~|≈|von|de|为|は)?\s*(?:about |around |~)?"
_LR = (
    r"(?:peak |max(?:imum)? |base |adam ?w? )?(?:\blr\b|learning[ -]rates?|lernrate|taux d'apprentissage|tasa de aprendizaje|学习率|学習率)"
)
# What makes a number an amount of something else.
_AMOUNT_NEXT = r"(?:k|m|b|t|bn|thousand|million|billion|trillion|mrd|milliard\w*|亿|万)\b|(?:unique |distinct )?tokens?"
_WD = r"(?:\bwd\b|weight[ -]decay|gewichtsabfall)"
_FROM = r"(?:from|von|de|desde|従来|从)\s+"
_TO = r"\s*(?:to|bis|auf|à|a|->|→|到)\s*"


def amount(text: str, *patterns: str) -> float | None:
    """The number of the first pattern that matches, in a text of one line; a suffix behind it scales it."""
    for pattern in patterns:
        match = re.search(pattern, text)
        if match:
            return _value(match[1], match[2] if match.re.groups > 1 else None)
    return None


def _value(written: str, suffix: str | None) -> float:
    power = re.fullmatch(r"10\s*\^\s*(-?\d+)", written)
    number = float(f"1e{power[1]}") if power else float(written.replace(",", ""))
    return float(f"{number * _SCALES.get(suffix or '', 1.0):.15g}")


def _share(text: str, *patterns: str) -> float | None:
    for pattern in patterns:
        match = re.search(pattern, text)
        if match:
            value = float(match[1])
            return value / 100 if match[2] or value > 1 else value
    return None


_PCT = r"(?<![\d.,:])(\d{1,3}(?:\.\d{1,6})?|\.\d{1,6})\s?(%|percent|per cent|prozent|pour cent|por ciento)?"


def _before(text: str, what: str) -> float | None:
    """The first end of "from 20B to 200B tokens", its scale taken from the second end where it has none of its own."""
    match = re.search(rf"{_FROM}{_NUM}{_SUFFIX}(?:\s*(?:{what}))?{_TO}{_NUM}{_SUFFIX}\s*(?:[a-z-]+ )?(?:{what})", text)
    if match is None:
        match = re.search(rf"(?:{what})[^.?!]{{0,25}}?{_FROM}{_NUM}{_SUFFIX}{_TO}{_NUM}{_SUFFIX}", text)
    return _value(match[1], match[2] or (match[4] if float(match[1].replace(",", "")) < 1e4 else None)) if match else None


_DATA = r"tokens?\b(?! batch| per step| a step)|data\b|daten|トークン"
_BATCH = r"tokens? (?:per step|a step|batch(?:es)?)|batch(?:[ -]?size)?"


def hyperparameters(text: str) -> Found:
    """Rates, decay, widths and depths, and what the run before had."""
    found = {
        "learning_rate_before": amount(text, rf"{_LR}\s*{_FROM}{_NUM}{_TO}", rf"{_FROM}(?:an? )?{_LR}{_IS}{_NUM}"),
        "learning_rate": _rate(
            amount(
                text,
                rf"{_LR}\s*{_FROM}(?:{_NUM_UNKEPT}){_TO}{_NUM}",
                rf"{_LR}{_IS}{_NUM}(?![\d.]*\s?(?:{_AMOUNT_NEXT}))",
                rf"{_NUM}\s*(?:as (?:the|my|our) )?{_LR}",
            )
        ),
        "weight_decay": amount(text, rf"{_WD}{_IS}{_NUM}"),
        "tokens_before": _before(text, _DATA),
        "batch_tokens_before": _before(text, _BATCH),
    }
    for name, words in (
        ("width", r"width|d_?model|hidden (?:size|dim\w*)|breite|largeur|ancho|宽度|幅"),
        ("depth", r"depth|layers|tiefe|profondeur|profundidad|深度"),
    ):
        stated = [
            _value(one or two, None)
            for one, two in re.findall(rf"(?:\b(?:{words})\b{_IS}(\d[\d,]{{0,8}}))|(?:\b(\d[\d,]{{0,8}})[ -](?:{words}|wide|deep)\b)", text)
        ]
        pair = (
            re.search(
                rf"(?:{words})?\s*{_FROM}(?:(?:{words})\s*)?(\d[\d,]{{0,8}})\s*(?:{words})?{_TO}(?:{words})?\s*(\d[\d,]{{0,8}})", text
            )
            if re.search(words, text)
            else None
        )
        if pair and float(pair[1].replace(",", "")) < 1e6:
            stated = [_value(pair[1], None), _value(pair[2], None)]
        if len(stated) > 1:
            found |= {f"base_{name}": stated[0], name: stated[1]}
        elif stated:
            found[name] = stated[0]
    return {name: value for name, value in found.items() if value is not None}


def batch_size(text: str) -> Found:
    """Tokens of the run a batch is carried over from."""
    return _only(tokens_before=_before(text, _DATA), learning_rate=_rate(amount(text, rf"{_LR}{_IS}{_NUM}(?![\d.]*\s?(?:{_AMOUNT_NEXT}))")))


def lr_schedule(text: str) -> Found:
    """Horizons of a sweep, the share of the cooldown, the rate."""
    listed = re.search(
        r"(?:horizons?|lengths|durations|runs)\s*(?:of|at|:|=|are)?\s*((?:\d[\d.]*\s*(?:[kmbt]\b)?\s*(?:,\s*(?:and\s*)?|and\s+|und\s+|/\s*)?){2,})",
        text,
    )
    horizons = [_value(number, suffix or None) for number, suffix in re.findall(rf"(\d[\d.]*){_SUFFIX}", listed[1])] if listed else None
    cooldown = r"cool-?down|decay phase|annealing|anneal|abkühlung"
    return _only(
        horizons=horizons if horizons and len(horizons) > 1 else None,
        cooldown_fraction=_share(text, rf"{_PCT}\s*(?:{cooldown})", rf"(?:{cooldown})(?: (?:fraction|share|phase|length))*{_IS}{_PCT}"),
        learning_rate=_rate(amount(text, rf"{_LR}{_IS}{_NUM}(?![\d.]*\s?(?:{_AMOUNT_NEXT}))")),
    )


def finetune(text: str) -> Found:
    """Examples or characters of tuning data."""
    kinds = r"(?:(?:training|labell?ed|tuning|fine-?tuning|instruction|sft|annotated|preference) )*(?:examples|samples|demonstrations|instructions|pairs|beispiele|exemples|ejemplos|样本|条|例)"
    return _only(
        examples=amount(text, rf"{_NUM}{_SUFFIX}\s*{kinds}"),
        characters=amount(text, rf"{_NUM}{_SUFFIX}\s*(?:characters|chars|zeichen|caractères|caracteres|字符|文字)"),
    )


def distill(text: str) -> Found:
    """The teacher's size and tokens."""
    size = amount(
        text,
        rf"{_NUM}\s*(m|b|t|million|billion)[ -](?:param\w* )?(?:model )?teacher",
        rf"teacher(?:'s size)?(?: model)?\s*(?:of|is|has|with|being|=|:)?\s*(?:an? )?{_NUM}\s*(m|b|t|million|billion)\b(?! tokens)",
        rf"(?:distil\w*|compress\w*|learn\w*) (?:from|out of) (?:an? |our |the )?{_NUM}\s*(m|b|t|million|billion)\b",
        rf"distil\w* (?:an? |our |the )?{_NUM}\s*(m|b|t|million|billion)\b[^.?]{{0,20}}\b(?:in|down )?to\b",
    )
    seen = amount(text, rf"teacher[^.?!]{{0,30}}?(?:trained|saw|seen)[^.?!]{{0,15}}?{_NUM}{_SUFFIX}\s*tokens")
    return _only(teacher_params=size, teacher_tokens=seen)


def qat(text: str) -> Found:
    """The share of the tokens spent on quantization-aware training."""
    return _only(
        qat_fraction=_share(
            text,
            rf"{_PCT}\s*(?:of (?:the )?(?:tokens|training|data|run|budget|compute|steps))?\s*(?:for|on|in|to|as|is|of)?\s*(?:qat|quantization[ -]aware)",
            rf"qat (?:fraction|share|ratio){_IS}{_PCT}",
        )
    )


_BENCHMARKS = {
    "mmlu": r"\bmmlu\b(?!-?pro)",
    "hellaswag": "hellaswag",
    "arc_challenge": r"arc[ -]?(?:c\b|challenge)",
    "arc_easy": r"arc[ -]?(?:e\b|easy)",
    "piqa": r"\bpiqa\b",
    "winogrande": "winogrande",
    "boolq": "boolq",
    "csqa": r"csqa|commonsenseqa",
    "openbookqa": r"openbookqa|\bobqa\b",
    "socialiqa": r"social ?iqa|\bsiqa\b",
}


def downstream(text: str) -> Found:
    """The benchmark and the accuracy aimed for."""
    named = [name for name, pattern in _BENCHMARKS.items() if re.search(pattern, text)]
    names = "|".join([*_BENCHMARKS.values(), "gsm-?8k", "humaneval", "triviaqa", "bbh"])
    aimed = _share(
        text,
        rf"from \d+(?:\.\d+)? ?%?[^.?!]{{0,24}} to {_PCT}\s*(?:accuracy|on |[:,?]|{names})",
        rf"(?:reach|get to|hit|achieve|for|to|above|over|at least|target(?: of)?)\s*(?:an? )?{_PCT}\s*(?:accuracy|(?:on |in )?(?:{names}))",
        rf"(?<![\d-])(\d{{2}}(?:\.\d)?)\s?(%|percent|per cent)\s*(?:accuracy|(?:on |in |at )?(?:{names}))",
        rf"(?:{names})\s*(?:score |accuracy )?(?:of|above|over|at|to|=|>|reach\w*|at least)\s*(\d{{2}}(?:\.\d)?)\s?(%|percent|points?|\?|$)",
    )
    return _only(benchmark=named[0] if len(named) == 1 else None, target_accuracy=aimed)


def rl(text: str) -> Found:
    """The pass rate aimed for."""
    return _only(
        target_pass_rate=_share(
            text,
            rf"(?:reach|get to|up to|hit|achieve|to|target(?: of)?|aim(?:ing)? for)\s*(?:a )?(?:pass rate (?:of )?|pass@1 (?:of )?)?{_PCT}\s*(?:pass|accuracy|success|on\b|$|\?|validation|reward)",
        )
    )


def _counted(name: str, words: str) -> Callable[[str], Found]:
    def read(text: str) -> Found:
        # "epochs of 30B tokens": what follows is what an epoch goes over.
        return _only(**{name: amount(text, rf"{_NUM}\s*(?:{words})", rf"(?:{words}){_IS}{_NUM}(?![\d.]*\s?(?:{_AMOUNT_NEXT}))")})

    return read


def sparsity(text: str) -> Found:
    """The share of weights that are zero."""
    return _only(
        sparsity=_share(
            text,
            rf"{_PCT}\s*(?:weight |unstructured )?(?:sparsity|sparse|zeros|pruned|of (?:the )?weights)",
            rf"sparsity{_IS}{_PCT}",
            rf"prun\w* (?:to |by )?{_PCT}",
        )
    )


def _rate(value: float | None) -> float | None:
    """A learning rate, where a number can be one."""
    return value if value is not None and 0 < value <= 10 else None


def _only(**found: float | str | list[float] | None) -> Found:
    return {name: value for name, value in found.items() if value is not None}


READERS: dict[str, Callable[[str], Found]] = {
    "hyperparameters": hyperparameters, "batch_size": batch_size, "lr_schedule": lr_schedule, "finetune": finetune, "distill": distill, "qat": qat, "downstream": downstream,
    "rl": rl, "sparsity": sparsity, "repeat_data": _counted("epochs", r"epochs?|passes|repetitions|epochen|époques|épocas|轮|エポック"),
    "parallel_scaling": _counted("streams", r"(?:parallel )?streams|parallel paths"), "synthetic_data": _counted("generations", "generations"), "mix_data": _counted("domains", r"domains|sources"),
}  # fmt: skip
