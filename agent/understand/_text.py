"""Text before meaning: a folding that keeps offsets, atoms (numbers, words, symbols, CJK characters) and the language."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FOLD = str.maketrans(
    {
        **{chr(0xFF01 + i): chr(0x21 + i) for i in range(94)},
        **dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000\t", " "),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'"),
        **dict.fromkeys("\u201c\u201d\u00ab\u00bb", '"'),
        "、": ",",
        "。": ".",
        "∙": "·",
        "⋅": "·",
        "✕": "×",
    }
)
# The dot of an abbreviation ends no sentence.
_ABBREVIATION = re.compile(
    r"(?<![a-z])(?:al|vs|e\.g|i\.e|approx|ca|mio|mrd|tsd|bzw|z\.b|ex|resp|etc|no|nr|incl|inkl|env|p\.ej|eq|fig|max|min|avg|params|std)(\.)(?!\s*$)(?=[\s,)])"
)
CJK = "\u3040-\u30ff\u3400-\u9fff々ー"
_GROUPED = (
    r"(?<![\d.,])(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d])|\d{1,3}(?:[ ']\d{3})+(?:[.,]\d+)?(?!\d)|\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?(?!\d))"
)
_PLAIN = r"\d+(?:\.\d+|,\d{1,2}(?!\d))?|(?<![\w)])\.\d+"
_SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺"
_POWER = rf"(?:\^\s*\(?\{{?|\*\*\s*)(?P<exp>[+-]?\d+(?:\.\d+)?)|(?P<sup>[{_SUPERSCRIPT}]+)"
_MANTISSA = rf"(?:(?P<mant>{_PLAIN})\s*(?:[×x*·]|times)\s*(?=10\s*[\^*{_SUPERSCRIPT}]))?"
_NUMBER = rf"{_MANTISSA}(?P<num>{_GROUPED}|{_PLAIN})(?:e(?P<e>[+-]?\d+))?(?:\s*(?:{_POWER}))?"
_ATOM = re.compile(
    rf"(?P<number>(?<!\d){_NUMBER})|(?P<times>(?<=\d)[x×](?=\s?[a-z{CJK}]*\d)|(?<=\d\s)x(?=\s))"
    rf"|(?P<word>[^\W\d_{CJK}]+)|(?P<cjk>[{CJK}])|(?P<symbol>\S|\n)",
)
_SUP_DIGITS = str.maketrans(_SUPERSCRIPT, "0123456789-+")


@dataclass(slots=True)
class Atom:
    """A smallest piece of text: `kind` is number, times, word, cjk, symbol or entity; `value` is a number's value."""

    kind: str
    text: str
    start: int
    end: int
    value: float = 0.0
    entity: tuple[str, str] | None = None


# A line that is broken in mid-sentence: the next goes on in small letters, or the line is long and ends without a stop.
_WRAPPED = re.compile(r"(?<=[^\n.?!:;。？！]{40})[ \t]*\n(?=[ \t]*[a-zà-ÿ(])|(?<=[^\n.?!:;。？！]{60})\n(?=[ \t]*[^\s*•#|>-])")


def fold(text: str) -> str:
    """Lower case, ASCII punctuation and spaces, wrapped lines joined; every character keeps its offset."""
    folded = _WRAPPED.sub(lambda match: " " * len(match[0]), text) if "\n" in text else text
    folded = folded.translate(_FOLD)
    lowered = folded.lower()
    lowered = lowered if len(lowered) == len(folded) else "".join(c.lower() if len(c.lower()) == 1 else c for c in folded)
    return _ABBREVIATION.sub(lambda m: m[0][:-1] + " ", lowered)


def _number(match: re.Match[str], european: bool) -> float:
    literal = match["num"]
    if re.fullmatch(r"\d{1,3}(?:[ ']\d{3})+(?:[.,]\d+)?", literal):
        literal = literal.replace(" ", "").replace("'", "").replace(",", ".")
    elif re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?", literal) or (european and re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", literal)):
        literal = literal.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d+,\d{1,2}", literal):
        literal = literal.replace(",", ".")
    value = float(literal.replace(",", ""))
    exponent = match["exp"] or (match["sup"].translate(_SUP_DIGITS) if match["sup"] else None)
    try:
        if match["e"]:
            value *= 10.0 ** float(match["e"]) if abs(float(match["e"])) > 22 else 1.0
            value = float(f"{literal.replace(',', '')}e{match['e']}")
        elif exponent:
            mantissa = match["mant"].replace(",", ".") if match["mant"] else "1"
            whole = value == 10 and "." not in exponent  # "10^22" is 1e22 exactly, as typed
            value = float(f"{mantissa}e{exponent}") if whole else float(mantissa) * value ** float(exponent)
    except (OverflowError, ValueError):
        return float("inf")
    return value


def atoms(folded: str, start: int = 0, end: int | None = None, european: bool = False) -> list[Atom]:
    """Atoms of folded text between two offsets. `european`: a dot groups thousands ("1.000" is a thousand)."""
    found: list[Atom] = []
    for match in _ATOM.finditer(folded, start, len(folded) if end is None else end):
        kind = match.lastgroup or "symbol"
        if match["number"] is not None:
            found.append(Atom("number", match[0], match.start(), match.end(), _number(match, european)))
        else:
            kind = "times" if match["times"] is not None else "word" if match["word"] is not None else "cjk" if match["cjk"] else "symbol"
            found.append(Atom(kind, match[0], match.start(), match.end()))
    return found


def script(folded: str) -> str | None:
    """ja when there is kana, zh when there are only Han characters, None for Latin script."""
    if re.search("[\u3040-\u30ff]", folded):
        return "ja"
    return "zh" if re.search("[\u3400-\u9fff]", folded) else None
