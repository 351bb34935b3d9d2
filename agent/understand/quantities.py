"""Quantities in a question: a lark grammar over typed words turns "2.5 billion params" or "$2.10/GPU-hr" into a measure."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from lark import Lark, Token, Tree, UnexpectedInput
from lark.lexer import Lexer

from agent.understand._lexicon import Language
from agent.understand._text import Atom

GRAMMAR = r"""
start: measure
measure: num                                   -> plain
    | num FLOP                                 -> flop
    | num FLOP TIME                            -> flop_time
    | num FLOPX TIME                           -> flop_time
    | num FLOP PER TIME                        -> flop_rate
    | num FLOPX PER TIME                       -> flop_rate
    | num FLOP PER TIME TIME                   -> flop_time
    | num FLOPX PER TIME TIME                  -> flop_time
    | money                                    -> amount
    | money rate                               -> money_rate
    | num CUR words rate                       -> money_rate
    | num hourly                               -> bare_price
    | num per TIME                             -> bare_rate
    | num acc                                  -> acc_count
    | acc TIMES num                            -> acc_count_after
    | acc num acc                              -> acc_count_after
    | num TIMES acc                            -> acc_count
    | num TIMES num acc                        -> acc_product
    | num TIMES num BYTE acc                   -> acc_count_memory
    | num TIMES num BYTE                       -> acc_count_memory
    | num BYTE acc                             -> bytes_acc
    | num NODE                                 -> nodes
    | num NODE join num acc                    -> node_product
    | num NODE join num                        -> node_product
    | num acc NODE join num                    -> node_product
    | num acc NODE join num acc                -> node_product
    | num NODE TIME                            -> node_hours
    | num acc TIME                             -> acc_hours
    | num acc PER NODE                         -> per_node
    | num TIME                                 -> time
    | ONE TIME                                 -> one_time
    | num num BYTE acc                         -> acc_count_memory
    | num TIME PER TOK                         -> latency
    | num BYTE                                 -> bytes
    | num BIT                                  -> bits
    | num NATS                                 -> nats
    | num PCT                                  -> percent
    | num PAR                                  -> params
    | num TOK                                  -> tokens
    | num TOK per TIME                         -> token_rate
    | num TOK per TIME PER USER                -> user_rate
    | num TOK per TIME USER                    -> user_rate
    | num TOK per TIME PER                     -> user_rate
    | num TOK PER USER per TIME                -> user_rate
    | num TOK PER PAR                          -> token_ratio
    | num TOK PER STEP                         -> step_tokens
    | num TOK PER USER                         -> user_tokens
    | num PER NODE                             -> plain
    | num USER per TIME                        -> request_rate
    | num RPS                                  -> request_rate
join: OF | TIMES | WITH
rate: per TIME | PER per TIME | PER acc | per acc TIME | PER acc per TIME | per TIME PER acc | PER NODE TIME
    | PER TOK | PER SCALE TOK | PER num TOK | acc TIME | TIME
per: PER | ONE
hourly: PER acc TIME | PER acc per TIME
money: CUR num | num CUR | CUR num CUR | NEG CUR num
acc: ACC+
num: NEG base -> negative
    | base
base: NUM | NUM scales | words | words scales | ONE scales | HALF scales | NUM ANDHALF scales | words ANDHALF scales
    | NUM scales ANDHALF | words scales ANDHALF | ONE scales ANDHALF | words ANDHALF | NUM ANDHALF | HALF
scales: SCALE+
words: (WNUM | HUNDRED)+
%declare NUM SCALE WNUM HUNDRED HALF ANDHALF ONE NEG FLOP FLOPX TIME BYTE BIT NATS CUR PCT TOK PAR NODE USER RPS STEP PER ACC TIMES OF WITH
"""
STARTERS = frozenset({"NUM", "WNUM", "HUNDRED", "HALF", "ONE", "CUR", "EUR", "NEG", "ACC"})
# Units of one letter count only when written right behind their number ("72h", not "72 ... h").
_TIGHT = frozenset({"s", "d", "w", "y", "mo", "g", "k", "m", "b", "t", "min", "c", "ct"})
_WITH = frozenset({"of", "à", "von", "de", "mit", "with", "avec", "con", "zu", "having", "je"})
_AFTER_SCALE = frozenset(
    {
        "$",
        "€",
        "tokens",
        "token",
        "tok",
        "params",
        "param",
        "parameters",
        "parameter",
        "model",
        "flops",
        "flop",
        "usd",
        "dollars",
        "tokens.",
        "parametern",
        "paramètres",
        "parámetros",
    }
)
_AFTER_SIZE = frozenset(
    [
        "?",
        ",",
        ".",
        "for",
        "on",
        "at",
        "with",
        "und",
        "auf",
        "für",
        "mit",
        "or",
        "and",
        "vs",
        "model",
        "models",
        "dense",
        "net",
        "network",
        "llm",
        "lm",
        "student",
        "teacher",
        "trained",
        "through",
        "after",
    ]
)
_CASED = frozenset({"k", "m", "b", "t"})


@dataclass(slots=True)
class Measure:
    """A quantity of the text: value in the contract's unit of its dimension, and the atoms it was read from."""

    dim: str
    value: float
    first: int
    after: int
    start: int
    end: int
    scaled: bool = False
    count: float | None = None
    memory: float | None = None
    accelerator: str | None = None
    euro: bool = False
    inner: tuple[int, ...] = ()
    decimal: bool = False
    whole: float | None = None  # what the value is a stated share of


class _Atoms(Lexer):
    def __init__(self, lexer_conf: Any) -> None:
        self.conf = lexer_conf

    def lex(self, data: list[Token]) -> Any:  # type: ignore[override]
        return iter(data)


@functools.cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", lexer=_Atoms)


@functools.lru_cache(maxsize=4096)
def _prefix(types: tuple[str, ...]) -> int:
    """Length of the longest prefix of these terminals that is a measure."""
    for length in range(len(types), 0, -1):
        try:
            _parser().parse([Token(kind, "") for kind in types[:length]])  # type: ignore[arg-type]
        except UnexpectedInput:
            continue
        return length
    return 0


def terminal(lang: Language, text: list[Atom], place: int) -> tuple[str, float, int] | None:
    """(terminal, value, place after) of the grammar terminal that starts at an atom, if any."""
    atom = text[place]
    if atom.kind == "number":
        return "NUM", atom.value, place + 1
    if atom.kind == "times" or atom.text in ("×", "*", "x"):
        return "TIMES", 1.0, place + 1
    if atom.entity:
        return ("ACC", 0.0, place + 1) if atom.entity[0] in ("accelerator", "unknown") else None
    if atom.text == "-" and place + 1 < len(text) and _negative(text, place + 1) and text[place + 1].start == atom.end:
        bare = place == 0 or text[place - 1].end < atom.start or text[place - 1].text in "($€=:"
        return ("NEG", -1.0, place + 1) if bare else None
    if atom.text in ("nan", "inf", "infinity"):
        return "NUM", float(atom.text), place + 1
    if atom.text == "minus":
        return "NEG", -1.0, place + 1
    for end, (kind, value) in lang.terminals.all_at(text, place):
        if _allowed(text, place, end, kind):
            return kind, value, end
    if atom.text in _WITH:
        return "WITH", 0.0, place + 1
    return None


def _negative(text: list[Atom], place: int) -> bool:
    """Whether a minus sign right before a place can belong to an amount: a number stands there, or a currency sign and its number."""
    after = text[place + 1] if place + 1 < len(text) else None
    return text[place].kind == "number" or (text[place].text in "$€£" and after is not None and after.kind == "number")


def _allowed(text: list[Atom], place: int, end: int, kind: str) -> bool:
    word = text[place].text
    if end - place > 1 or word not in _TIGHT or kind not in ("SCALE", "TIME", "BYTE", "CUR"):
        return True
    before = text[place - 1] if place else None
    if before is None:
        return False
    if before.text in ("/", "per") or (before.text == "-" and kind == "TIME"):
        return kind == "TIME" or (kind == "SCALE" and word in "mb")
    if before.end == text[place].start:
        return before.kind == "number" or before.text in "$€-"
    if before.kind == "number" and word in ("b", "t") and kind == "SCALE" and (end >= len(text) or text[end].text in _AFTER_SIZE):
        return True  # "7, 13 or 34 B for 1e22 FLOPs"
    return before.kind == "number" and word in _CASED and kind == "SCALE" and _before_unit(text, end)


def _before_unit(text: list[Atom], place: int) -> bool:
    """Whether what a scale counts stands behind it ("1.2 M$", "2 T tokens"), so that the letter is no word or unit of its own."""
    return place < len(text) and text[place].text in _AFTER_SCALE


def _words_value(values: list[Token]) -> float:
    total = 0.0
    for token in values:
        if token.type == "HUNDRED" and token.value == 100:
            total = max(total, 1.0) * 100
        elif total == token.value == 1.0:  # "eine einzelne", "a single one"
            continue
        elif 0 < total < 10 and token.value < 10:
            total = total * 10 + token.value
        else:
            total += token.value
    return total


def _number(tree: Tree[Token]) -> tuple[float, bool]:
    """(value, whether a scale word was given) of a num tree."""
    children = tree.children
    if tree.data == "negative":
        value, scaled = _number(children[1])  # type: ignore[arg-type]
        return -value, scaled
    value, half, scale = 1.0, 0.0, 1.0
    for child in children:
        if isinstance(child, Token):
            half, value = (child.value, value) if child.type == "ANDHALF" else (half, child.value)
        elif child.data == "words":
            value = _words_value(child.children)  # type: ignore[arg-type]
        elif child.data == "scales":
            for token in child.children:
                scale *= token.value  # type: ignore[union-attr]
        else:
            return _number(child)
    # "1.3" times a billion must be 1.3e9 exactly, as a person would type it.
    return float(f"{value + half:.15g}") * scale if scale == 1.0 else float(f"{(value + half) * scale:.15g}"), scale != 1.0


def _tokens(tree: Tree[Token]) -> list[Token]:
    return list(tree.scan_values(lambda _: True))


def _unit(tree: Tree[Token], kind: str, default: float = 1.0) -> float:
    found = [token.value for token in _tokens(tree) if token.type == kind]
    return float(found[0]) if found else default


def _rate(rate: Tree[Token], money: float) -> tuple[str, float]:
    kinds = [token.type for token in _tokens(rate)]
    if "TOK" in kinds:
        numbers = [_number(child)[0] for child in rate.children if isinstance(child, Tree) and child.data in ("num", "negative")]
        amount = _unit(rate, "TOK") * (numbers[0] if numbers else _unit(rate, "SCALE"))
        return "usd_per_mtok", money * 1e6 / amount
    if "TIME" not in kinds:
        return "usd_per_item", money
    hours = _unit(rate, "TIME") / 3600.0
    return ("usd_per_node_hour" if "NODE" in kinds else "usd_per_hour"), money / hours


def _value(rule: Tree[Token]) -> tuple[str, float, dict[str, Any]]:
    """(dimension, value, extras) of a measure."""
    name = rule.data
    numbers = [_number(child) for child in rule.children if isinstance(child, Tree) and child.data in ("num", "negative")]
    value, scaled = numbers[0] if numbers else (0.0, False)
    extra: dict[str, Any] = {"scaled": scaled}
    day = (
        _unit(rule, "TIME")
        if name in ("flop_time", "time", "acc_hours", "node_hours", "token_rate", "user_rate", "latency", "bare_price", "bare_rate")
        else 1.0
    )
    unit = _unit(rule, "FLOP") * _unit(rule, "FLOPX")
    match name:
        case "flop" | "flop_rate":
            return name, float(f"{value * unit:.15g}"), extra
        case "flop_time":
            times = [token.value for token in _tokens(rule) if token.type == "TIME"]
            return "flop", value * unit * times[-1], extra
        case "amount" | "money_rate":
            inner: Any = rule.children[0] if rule.children[0].data == "money" else rule  # type: ignore[union-attr]
            units = [child.value for child in inner.children if isinstance(child, Token)]
            amount, extra["scaled"] = next(_number(child) for child in inner.children if isinstance(child, Tree))
            if inner is rule:  # "two dollars ninety per GPU hour"
                amount += _words_value(rule.children[2].children) / 100.0  # type: ignore[union-attr,arg-type]
            sign = -1.0 if -1.0 in units else 1.0
            amount = float(f"{sign * amount * next((unit for unit in units if unit not in (1.0, -1.0)), 1.0):.15g}")
            if name == "amount":
                return "usd", amount, extra
            dim, amount = _rate(rule.children[-1], amount)  # type: ignore[arg-type]
            return dim, float(f"{amount:.15g}"), extra
        case "bare_rate":
            return "bare_rate", value / (day / 3600.0), extra
        case "bare_price":
            return "usd_per_hour", value / (_unit(rule.children[-1], "TIME") / 3600.0), extra  # type: ignore[arg-type]
        case "acc_count" | "acc_count_after" | "per_node":
            return ("per_node" if name == "per_node" else "acc"), value, extra
        case "acc_product" | "node_product":
            return "acc", value * numbers[1][0], extra
        case "acc_count_memory":
            return "acc", value, {**extra, "memory": numbers[1][0] * _unit(rule, "BYTE")}
        case "bytes_acc":
            return "bytes", value * _unit(rule, "BYTE"), extra
        case "acc_hours" | "node_hours":
            return name, value * day / 3600.0, extra
        case "token_rate":
            return name, value * _unit(rule, "TOK") / day, {**extra, "per": day}
        case "user_rate":
            return "latency", 1000.0 * day / value if value else 0.0, extra
        case "latency":
            return "latency", value * day * 1000.0, extra
        case "token_ratio":
            return "ratio", value, extra
        case "step_tokens" | "user_tokens" | "tokens":
            return name, value * _unit(rule, "TOK"), {**extra, "scaled": scaled or _unit(rule, "TOK") > 1}
        case "time":
            return "time", value * day, extra
        case "one_time":
            return "one_time", _unit(rule, "TIME"), extra
        case "bytes":
            return "bytes", value * _unit(rule, "BYTE"), extra
        case "percent":
            return "fraction", float(f"{value / 100:.15g}"), extra
        case _:
            return str(name), value, extra


def _window(lang: Language, text: list[Atom], place: int) -> tuple[list[Token], list[int], list[int]]:
    """Terminals from a place on (their values, and where each ends), adjectives before a unit noun skipped."""
    tokens: list[Token] = []
    ends: list[int] = []
    skipped: list[int] = []
    at = place
    while at < len(text) and len(tokens) < 10:
        if (
            text[at].text == "-"
            and tokens
            and at + 1 < len(text)
            and tokens[-1].type in ("NUM", "SCALE", "ACC", "FLOP", "FLOPX", "NODE", "TOK", "WNUM", "TIME", "HUNDRED")
            and text[at].start == text[at - 1].end
            and text[at + 1].start == text[at].end
            and text[at + 1].kind != "number"
        ):
            at += 1
            continue
        if tokens and tokens[-1].type == "HUNDRED" and text[at].text in ("and", "und") and at + 1 < len(text):
            behind = terminal(lang, text, at + 1)  # "two hundred and fifty"
            at += behind is not None and behind[0] == "WNUM"
        found = terminal(lang, text, at)
        if found and found[0] == "VAGUE":
            found = None
        if found is None or (found[0] == "WITH" and not (tokens and tokens[-1].type == "NODE")):
            ahead = _after_adjectives(lang, text, at) if tokens and tokens[-1].type in ("NUM", "SCALE", "WNUM", "HUNDRED", "HALF") else None
            if ahead is None:
                break
            skipped.extend(range(at, ahead))
            at = ahead
            continue
        kind, value, at = found
        tokens.append(Token("CUR" if kind == "EUR" else kind, value))  # type: ignore[arg-type]
        tokens[-1].end_pos = 1 if kind == "EUR" else 0
        ends.append(at)
    return tokens, ends, skipped


def _after_adjectives(lang: Language, text: list[Atom], place: int) -> int | None:
    """Where the unit noun stands behind up to three adjectives ("300B unique web tokens"), if there is one."""
    at = place
    while at < len(text) and at - place < 4 and (text[at].text in lang.adjectives or text[at].text in "-()"):
        at += 1
    if at == place or at >= len(text):
        return None
    found = terminal(lang, text, at)
    return at if found and found[0] in ("TOK", "PAR", "ACC", "NODE") else None


def measures(lang: Language, text: list[Atom]) -> list[Measure]:
    """Every quantity of the text, left to right, each the longest phrase the grammar accepts at its place."""
    found: list[Measure] = []
    place = 0
    while place < len(text):
        start = terminal(lang, text, place)
        if start is None or start[0] not in STARTERS:
            place += 1
            continue
        tokens, ends, skipped = _window(lang, text, place)
        length = _prefix(tuple(token.type for token in tokens))
        if not length:
            place += 1
            continue
        measure = _measure(tokens[:length], place, ends[length - 1], text, skipped)
        found.append(measure)
        place = measure.after
    return found


def _measure(tokens: list[Token], place: int, after: int, text: list[Atom], skipped: list[int]) -> Measure:
    dim, value, extra = _value(_parser().parse(tokens).children[0])  # type: ignore[arg-type]
    parts = [text[i].entity[1] for i in range(place, after) if text[i].entity and text[i].entity[0] in ("accelerator", "unknown")]  # type: ignore[index]
    return Measure(
        dim=dim,
        value=value,
        first=place,
        after=after,
        start=text[place].start,
        end=text[after - 1].end,
        scaled=extra["scaled"],
        memory=extra.get("memory"),
        accelerator=parts[0] if parts else None,
        euro=any(token.type == "CUR" and token.end_pos == 1 for token in tokens),
        decimal=any(text[i].kind == "number" and "." in text[i].text for i in range(place, after)),
        inner=tuple(i for i in skipped if i < after),
    )
