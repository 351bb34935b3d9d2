"""Names in a question: accelerators, laws, known models, weight formats and attached tables, each by a data file of spellings."""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from agent.understand._lexicon import read
from agent.understand._text import CJK

_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_TABLE = re.compile(r"(?<![\w/.])[\w-]+(?:\.[\w-]+)*\.(?:csv|tsv|jsonl?|parquet|xlsx?|feather)\b", re.IGNORECASE)
_WORD = re.compile(rf"[^\W\d_{CJK}]+|[{CJK}]+|\d+")
# A link, an address, or a code nobody reads (a key, base64): the digits inside are no amounts.
_LINK = re.compile(
    r"https?://\S+|(?<!\S)[\w.+-]{1,64}@[\w-]{1,64}\.\w+|(?<![\w/+=-])(?=[a-z+/=_]*\d[a-z]*[a-z_+/=])[a-z0-9_+/]{20,}={0,2}(?![\w/+=-])"
)
_FORMAT = re.compile(
    r"(?<![a-z0-9])(?:w(?P<w>\d{1,2})(?:a\d{1,2})?(?:kv\d{1,2})?(?:g\d+)?|(?:nv|mx)?(?:int|fp|nf|uint)[ -]?(?P<f>\d{1,2})(?:[ _-]?e\dm\d)?"
    r"|bf[ -]?(?P<b>16)|float(?P<fl>16|32)|q(?P<q>[2-8])(?:_[k0-9]\w*)"
    r"|(?<!in )(?<!by )(?<!of )i?q(?P<iq>[2-8])"
    r"|(?P<half>half precision)|(?P<tern>ternary|1\.58[ -]?bits?|bitnet)|(?P<bin>binary weights))(?![a-z0-9])"
)
_UNKNOWN_PART = re.compile(
    r"(?:(?<![a-z0-9.])|(?<=\dx))(?:(?:[bh]|gb|gh)\d{3}|[al]\d{3}|mi\d{3}"
    r"|rtx[ -]?\d{4}|tpu[ -]?v\d{1,2}|gaudi[ -]?\d)[a-z]{0,2}?(?:'?s)?(?![a-z0-9])"
)
# A count that hardware words lead to ("on 64 ..."), then a name nobody lists: coined of letters and digits, or kept before a noun for hardware.
_HELD = r"(?<![a-z])(?:on|with|using|have|has|got|own|rent|buy|across|of|x|auf|mit|sur|avec|con|en|takes?) (?:our |the |my |about |some )*+\d[\d,]*+\s?+[x×]?+\s?+"
_NO_UNIT = r"(?!-?(?:[gmt]i?[bo]|gigs?|gigabytes?)\b)"  # "a 24 GB laptop GPU" is a capacity, no name
_COUNTED = r"expert|stream|sample|user|request|param|bit|lang|domain|class|gpu|tpu|card|chip|node|accelerator|device|server|machine|pod|box|token|[mbt]illion|day|hour|week|month|and\b|or\b|layer|head|epoch|step"
_HELD_NEXT = r"(?=(?:'?s)?(?:\s*(?:[,.;:?!)]|$)|\s+(?:for|in|at|to|and|or|vs|versus|with|over|take|will|gpus?|cards?|chips?|accelerators?|nodes?)\b))"
_COINED = re.compile(rf"{_HELD}{_NO_UNIT}(?P<part>(?:(?!{_COUNTED})[a-z]{{4,}} )?[a-z]{{2,}}(?:\d{{2,}}|-\d+)[a-rt-z]{{0,3}}){_HELD_NEXT}")
_NUMBERED = re.compile(
    rf"(?<![a-z])(?:on|across|auf|sur|using) \d[\d,]*+ (?!{_COUNTED})"
    rf"(?P<part>[a-z]{{4,}} \d{{3,5}}){_HELD_NEXT}"
)
_COINED_BEFORE = re.compile(
    rf"{_HELD}{_NO_UNIT}(?P<part>(?:[a-z][a-z-]*\s)?(?=[a-z-]*\d)[a-z][a-z0-9-]*)(?=\s(?:gpu|card|chip|accelerator|device|npu|tpu)s?\b)"
)
_OTHER_HARDWARE = re.compile(
    rf"{_HELD}{_NO_UNIT}(?P<part>(?:(?!of\b|the\b|or\b|and\b)[a-z][a-z0-9-]*\s){{0,2}}?(?:computer|lpu|ipu|dpu|cpu|fpga|asic|qpu|wafer|mainframe|supercomputer|laptop|phone)s?)(?![a-z0-9'])"
)


# Between a part and its memory: "A100 40GB", "A100s (40 GB)", "A100 de 40 Go".
_HAVING = r"(?:[\s_-]?|s? (?:with |mit |avec |con |de |à |of |having )?\(?)"
# Where a name begins and ends: Chinese and Japanese letters may stand right beside it.
_OPEN, _CLOSE = "(?<![a-z0-9_à-ÿ])", "(?![a-z0-9_à-ÿ])"


@dataclass(frozen=True, slots=True)
class Name:
    """A name found in the text: `kind` is accelerator, law, model, bits, runs or link."""

    kind: str
    id: str
    start: int
    end: int
    text: str


def _spelling(phrase: str) -> str:
    words = re.split(r"[\s-]+", phrase.strip().lower())
    pattern = ""
    for number, word in enumerate(words):
        size = word.endswith("{gb}")
        pattern += ("" if not number else _HAVING if size else r"[\s_-]?") + re.escape(word).replace(
            r"\{gb\}", r"[\s-]?g(?:b|ib|ig|o)?(?![a-z0-9])\)?"
        )
    return pattern.replace("'", "'?")


@functools.cache
def _accelerators() -> tuple[re.Pattern[str], dict[str, str]]:
    data = read("accelerators")
    makers = "|".join(data["makers"])
    spelled = [(spelling, part) for part, spellings in data["ids"].items() for spelling in spellings]
    spelled.sort(key=lambda pair: -len(pair[0]))
    groups = {f"a{i}": part for i, (_, part) in enumerate(spelled)}
    body = "|".join(f"(?P<a{i}>{_spelling(str(spelling))})" for i, (spelling, _) in enumerate(spelled))
    pattern = rf"(?:(?<![a-z0-9.])|(?<=\dx)|(?<=\d×))(?:(?:{makers})[\s-])*(?:{body})(?:'?e?s)?(?![a-z0-9])(?![.,]\d)"
    return re.compile(pattern), groups


@functools.cache
def _models() -> tuple[re.Pattern[str], dict[str, Any]]:
    data = read("models")
    families = sorted([*data["hyphen"], *data["glued"]], key=len, reverse=True)
    variants = "|".join(sorted((re.escape(v) for v in data["variants"]), key=len, reverse=True))
    body = "|".join(_spelling(family) for family in families)
    size = r"\d+x\d+(?:\.\d+)?b|\d+(?:\.\d+)?[bmt](?![a-z])"
    pattern = (
        rf"(?<![a-z0-9])(?P<family>{body})(?P<version>[\s-]?v?\d+(?:\.\d+)?(?![\d.]*[bmtkx%]|\d))?"
        rf"(?P<variant>(?:[\s-](?:{variants})(?![a-z]))*)(?P<size>[\s-]?(?:{size}))?(?P<after>(?:[\s-](?:{variants})(?![a-z]))*)"
        r"(?:[\s-](?:instruct|base|chat|it))?(?:'?s)?(?![a-z0-9])"
    )
    return re.compile(pattern), data


def _model_id(match: re.Match[str], data: dict[str, Any]) -> str | None:
    family = re.sub(r"[\s_-]+", "-", match["family"])
    version, size = (re.sub(r"[\s-]", "", match[part] or "") for part in ("version", "size"))
    variant = "-".join((match["variant"] + " " + match["after"]).replace("-", " ").split())
    plain = family.replace("-", " ")
    if not (version or size or variant) and (plain in data["needs_size"] or len(plain) < 4):
        return None
    if plain in data["needs_size"] and not (version or size) and variant in ("", "large", "small", "base", "medium"):
        return None
    if plain == "llama" and not (version or size):
        return None
    head = family + version if plain in data["glued"] else "-".join(part for part in (family, version) if part)
    parts = [part for part in (head, size, variant) if part]
    if plain in ("gemma", "phi", "qwen", "deepseek", "mistral", "llama") and variant and match["variant"]:
        parts = [part for part in (head, variant, size) if part]
    return "-".join(parts)


@functools.cache
def _law_data() -> dict[str, Any]:
    text = (files("knowledge") / "aliases.yaml").read_text(encoding="utf8")
    return yaml.load(text, Loader=_Loader)


@functools.cache
def _laws() -> dict[str, list[tuple[str, str]]]:
    """(phrase, law) by the first word of the phrase, longest phrase first: phrases that alone mean a law, and law ids themselves."""
    phrases: dict[str, str] = {}
    for law, entry in _law_data()["laws"].items():
        phrases[law.replace("_", " ")] = law
        phrases.update({str(phrase).lower(): law for phrase in entry["as"]})
    by_word: dict[str, list[tuple[str, str]]] = {}
    for phrase in sorted(phrases, key=len, reverse=True):
        first = _WORD.search(phrase)
        by_word.setdefault(first[0] if first else "", []).append((phrase, phrases[phrase]))
    return by_word


@functools.cache
def _law_pattern(phrase: str) -> re.Pattern[str]:
    return re.compile(rf"{_OPEN}{_spelling(phrase)}(?:'?s)?{_CLOSE}")


def _law_phrases(text: str) -> list[Name]:
    found: list[Name] = []
    words = set(_WORD.findall(text))
    words |= {word.removesuffix("s") for word in words}
    laws = _laws()
    if words.isdisjoint(laws):
        return found
    for first, entries in laws.items():
        if first in words:
            for phrase, law in entries:
                for match in _law_pattern(phrase).finditer(text):
                    if not any(name.start <= match.start() < name.end for name in found):
                        found.append(Name("law", law, match.start(), match.end(), match[0]))
    return found


@functools.cache
def _authors() -> tuple[re.Pattern[str], dict[str, list[str]]]:
    by: dict[str, list[str]] = {}
    for law, entry in _law_data()["laws"].items():
        for author in entry["by"]:
            by.setdefault(author, []).append(law)
    names = "|".join(sorted((re.escape(name) for name in by), key=len, reverse=True))
    marks = (
        r"(?P<mark>\s*(?:,\s*)?(?:et\.? al\.?|and others|& co\b\.?|and co\b\.?|und kollegen|等人|等|ら)"
        r"|(?:'s?)?\s+(?:[\w-]+\s+){0,3}?(?:law|rule|formula|fit|paper|scaling|exponent|curve|equation)s?)?"
    )
    return re.compile(rf"{_OPEN}(?P<author>{names})(?!-){_CLOSE}{marks}(?:\s*\(?(?P<year>20[12]\d)\)?)?"), by


def law_id(text: str, task: str | None = None) -> str | None:
    """The law an author-and-year mention stands for; where several fit, the year and then the task decide."""
    pattern, by = _authors()
    match = pattern.search(text)
    if not match:
        return None
    laws = by[match["author"]]
    if match["year"]:
        dated = [law for law in laws if match["year"] in law]
        laws = dated or laws
    entries = _law_data()["laws"]
    fitting = [law for law in laws if task in entries[law].get("for", ())]
    return (fitting or laws)[0]


def law_tasks(mention: str) -> list[str]:
    """Tasks a law (by id or by its author's mention) is used for."""
    data = _law_data()
    law = mention if mention in data["laws"] else law_id(mention)
    return [task for task, laws in data["areas"].items() if law in laws] if law else []


def accelerator_ids() -> list[str]:
    """Every accelerator id the parser can name."""
    return sorted(read("accelerators")["ids"])


def _law_names(text: str) -> list[Name]:
    found = _law_phrases(text)
    authors, _ = _authors()
    common = set(_law_data()["common_surnames"])
    for match in authors.finditer(text):
        if match["author"] in common and not (match["mark"] or match["year"]):
            continue
        if not any(name.start <= match.start() < name.end for name in found):
            found.append(Name("author", match[0], match.start(), match.end(), match[0]))
    return found


def _format_bits(match: re.Match[str]) -> str:
    groups = match.groupdict()
    for group in ("w", "f", "b", "fl", "q", "iq"):
        if groups[group]:
            return groups[group]
    return "16" if groups["half"] else "1.58" if groups["tern"] else "1"


def spot(text: str) -> list[Name]:
    """Names in folded text, in order, none overlapping: the longest mention at a place wins."""
    found = [Name("runs", m[0], m.start(), m.end(), m[0]) for m in _TABLE.finditer(text)]
    found += [Name("link", m[0], m.start(), m.end(), m[0]) for m in _LINK.finditer(text)]
    pattern, data = _models()
    for match in pattern.finditer(text):
        model = _model_id(match, data)
        if model:
            found.append(Name("model", model, match.start(), match.end(), match[0]))
    parts, groups = _accelerators()
    found += [Name("accelerator", groups[m.lastgroup or ""], m.start(), m.end(), m[0]) for m in parts.finditer(text)]
    found += [Name("bits", _format_bits(m), m.start(), m.end(), m[0]) for m in _FORMAT.finditer(text)]
    found += _law_names(text)
    found += [Name("unknown", re.sub(r"'?s$", "", m[0]).replace(" ", "-"), m.start(), m.end(), m[0]) for m in _UNKNOWN_PART.finditer(text)]
    for part in (_COINED, _NUMBERED, _COINED_BEFORE, _OTHER_HARDWARE):
        found += [
            Name("unknown", re.sub(r"'?s$", "", m["part"]).replace(" ", "-"), m.start("part"), m.end("part"), m["part"])
            for m in part.finditer(text)
        ]
    found.sort(key=lambda name: (name.start, -(name.end - name.start)))
    kept: list[Name] = []
    for name in found:
        if not kept or name.start >= kept[-1].end:
            kept.append(name)
        elif name.end - name.start > kept[-1].end - kept[-1].start:
            kept[-1] = name
    return kept


def nearest(part: str) -> list[str]:
    """Ids of the accelerators whose names are nearest to an unknown one."""
    return difflib.get_close_matches(part, accelerator_ids(), 3, 0.4)


__all__ = ["Name", "accelerator_ids", "law_id", "law_tasks", "nearest", "spot"]
