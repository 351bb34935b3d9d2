"""The gate before words leave: every number in a text must be a rendered result field or stand in the question."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?")
# A number as written with what is glued to it (7B, $0.20, 1e22, H100s, 40%), and the word behind it.
_AMOUNT = re.compile(r"[^\W\d_]*[-$€£]*\d[\w.,%^+/-]*(?<![.,])")
_WORD = re.compile(r"[^\W\d_]+")
_ROMAN = re.compile(r"\b(?=[IVXLCDM]{2})M{0,4}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})\b")
_SPELLED = re.compile(r"(?<!\w)(?:[^\W\d_][\s.\-_*]{1,2}){3,}[^\W\d_](?!\w)")
_MARKUP = re.compile(r"https?:|www\.|[<>`\[\]\\|#]|\]\(")
_KANA = [
    "いち",
    "に",
    "さん",
    "よん",
    "ご",
    "ろく",
    "なな",
    "はち",
    "きゅう",
    "じゅう",
    "ひゃく",
    "びゃく",
    "ぴゃく",
    "せん",
    "ぜん",
    "まん",
    "おく",
    "ちょう",
]
_KANA_NUMBER = re.compile(
    rf"(?:{'|'.join(_KANA)}){{2,}}|(?:{'|'.join(_KANA)})(?:ばい|にち|しゅうかん|かい|だい|まい|じかん|ねん|かげつ|ふん|わり)"
)
_SCRIPTS = (
    "LATIN",
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "GREEK",
    "MICRO",
    "MASCULINE",
    "FEMININE",
    "IDEOGRAPHIC",
    "FULLWIDTH",
    "HALFWIDTH",
    "MODIFIER",
)


def numbers_in(text: str) -> set[str]:
    """Numbers as written, thousands separators removed."""
    return {re.sub(r",(?=\d{3})", "", match) for match in _NUMBER.findall(text)}


def ungrounded(text: str, allowed_texts: Iterable[str]) -> set[str]:
    """Numbers of a text that none of the allowed texts holds."""
    allowed: set[str] = set()
    for source in allowed_texts:
        allowed |= numbers_in(source)
    return numbers_in(text) - allowed


def loose_numbers(prose: str, question: str) -> list[str]:
    """What in a model's prose says a number of its own, in digits, signs or words of any language the parser reads; also what cannot be checked.

    The question's own numbers may be repeated as they stand there. References to results must have been taken out before.
    """
    raw, own = _plain(prose), _plain(question)
    found = [f"the sign {sign!r}" for sign in sorted({c for c in prose if _odd_sign(c)} - set(question))]
    found += [f"{match!r}" for match in sorted(_amounts(raw) - _amounts(own))]
    found += [f"the word {word!r}" for word in _number_words(raw) if word not in _folded_words(own)]
    found += [f"the sign {c!r}" for c in _counting_signs(raw) if c not in own]
    found += [f"{phrase!r}" for phrase in _lists()["phrases"] if phrase in raw.casefold() and phrase not in own.casefold()]
    kana = _hiragana(raw)
    found += [f"{match[0]!r}" for match in _KANA_NUMBER.finditer(kana) if match[0] not in _hiragana(own)]
    found += [f"the numeral {match[0]}" for match in _ROMAN.finditer(raw) if match[0] not in own]
    found += ["letters set apart"] if _SPELLED.search(raw) else []
    found += ["markup or a link"] if _MARKUP.search(raw) else []
    found += [f"the letter {c!r}, of a script that is not checked" for c in sorted({c for c in raw if _foreign(c)} - set(own))]
    return list(dict.fromkeys(found))


def _plain(text: str) -> str:
    """Compatibility forms undone (fullwidth, superscript, circled), invisible characters dropped."""
    return "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) not in ("Cf", "Mn", "Cc") or c in "\n\t ")


def _odd_sign(c: str) -> bool:
    """A digit or fraction in another guise than 0 to 9 (superscripts, fractions, digits of other scripts), CJK numerals aside."""
    return not c.isascii() and unicodedata.numeric(c, None) is not None and not _is_cjk(c)


def _is_cjk(c: str) -> bool:
    return "\u3400" <= c <= "\u9fff" or c in "〇々"


def _amounts(text: str) -> set[str]:
    """Amounts as written; a bare small integer counts with the word behind it ("8 h100s" is no licence for "8 days")."""
    found: set[str] = set()
    for match in _AMOUNT.finditer(text):
        written = match[0].casefold().rstrip(".,-/+")
        follower = _WORD.search(text, match.end(), match.end() + 24)
        bare = written.isdigit()
        found.add(
            f"{written} {follower[0].casefold() if follower else ''}"
            if bare
            else written.removesuffix("s")
            if written[0].isalpha()
            else written
        )
    return found


@functools.cache
def _lists() -> dict[str, Any]:
    from knowledge.library import parse_yaml

    return parse_yaml((files("agent") / "number_words.yaml").read_text(encoding="utf8"))


@functools.cache
def _word_test() -> tuple[re.Pattern[str], frozenset[str], frozenset[str]]:
    """(compounds of number words of one language, number words alone, words that are left alone though they look like one)."""
    compounds: list[str] = []
    alone: set[str] = set()
    spared: set[str] = set()
    for name, words in _lists().items():
        if name in ("signs", "harmless", "phrases"):
            continue
        units = "|".join(sorted(map(_bare, words["units"]), key=len, reverse=True))
        glue = "|".join(sorted(map(_bare, [*words["glue"], *words["units"]]), key=len, reverse=True))
        compounds.append(f"(?:{glue})*(?:{units})(?:{glue})*")
        alone |= set(map(_bare, words["others"]))
        spared |= set(map(_bare, words.get("standalone", [])))
    return re.compile("|".join(f"(?:{compound})" for compound in compounds)), frozenset(alone), frozenset(spared - alone)


@functools.lru_cache(maxsize=4096)
def _is_number_word(word: str) -> bool:
    compounds, alone, spared = _word_test()
    return word in alone or (word not in spared and len(word) < 80 and compounds.fullmatch(word) is not None)


def _bare(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(c))


def _folded_words(text: str) -> list[str]:
    return [_bare(word) for word in _WORD.findall(text)]


def _number_words(text: str) -> list[str]:
    return [word for word in _folded_words(text) if _is_number_word(word)]


def _counting_signs(text: str) -> list[str]:
    for word in _lists()["harmless"]:
        text = text.replace(word, "")
    return [c for c in text if c in _lists()["signs"] or (_is_cjk(c) and unicodedata.numeric(c, None) is not None)]


def _hiragana(text: str) -> str:
    return "".join(chr(ord(c) - 0x60) if "\u30a1" <= c <= "\u30f6" else c for c in text)


def _foreign(c: str) -> bool:
    return c.isalpha() and not c.isascii() and not unicodedata.name(c, "?").startswith(_SCRIPTS)


def strings_of(data: Any) -> Iterator[str]:
    """Every string and number in nested plain data, as text."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield str(key)
            yield from strings_of(value)
    elif isinstance(data, list | tuple):
        for item in data:
            yield from strings_of(item)
    elif data is not None:
        yield str(data)
