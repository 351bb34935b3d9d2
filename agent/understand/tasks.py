"""Task detection by weighted evidence: phrases of the lexicon, the quantities given and where in the message a thing is asked."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.understand import names
from agent.understand._filled import Filled
from agent.understand._lexicon import LANGUAGES, read
from agent.understand._listed import CJK_LETTER, listed
from agent.understand._named import laws_kept
from agent.understand._prior import features, log_odds, probabilities

_GAP = r"(?:[^\w.?!\n]+[^\s?!]+){0,5}?[^\w?!\n]+"
_WH = re.compile(r"(?:what|which|how|when|wie|was|welche\w*|wann|combien|quel\w*|cuánt\w*|qué|cuál)\b")
_WH_BEFORE = re.compile(
    r"\b(?:what'?s?|which|how|when|wie|welche\w*|quel\w*|qué|cuál)(?: (?:is|are|would|the|a|should|be|our|my|size|does|will)){0,3} $"
)
_CIRCUMSTANCE = re.compile(r"\b(?:at|with|of|under|by|using|per|given|from)(?: (?:the|a|an|our|its|their|this|my))? $")
# Before a phrase: what it names is not asked for ("ignoring inference", "no MoE", "I am not asking for cost").
_RULED_OUT = re.compile(
    r"(?<![a-z])(?:ignoring|without|excluding|apart from|aside from|leaving out|not (?:asking|interested|caring) (?:for|about|in)|don't care (?:about|for)"
    r"|never mind|no need (?:for|of)|ohne|sans|sin) (?:the |any |all )?$|(?:^|[,;.!?:] ?)no (?=moe|mixture|cost|price|money|memory|quant)$"
)


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
    if CJK_LETTER.search(phrase):
        return phrase.replace(" ", r"\s*").replace("..", ".{0,12}?")
    pieces = [re.sub(r"\s+", r"[\\s-]+", re.sub(r"(?<!\\)(?<=[\w)])\*", r"\\w*", piece.strip())) for piece in phrase.split("..")]
    body = _GAP.join(pieces)
    # Chinese and Japanese letters may stand right beside a word.
    first = r"(?<![a-z0-9_à-ÿ])" if re.match(r"[\w(\\]", body) else ""
    last = r"(?![a-z0-9_à-ÿ])" if re.search(r"[\w)?]$", body) else ""
    return f"{first}(?:{body}){last}"


_TOKEN = re.compile(r"\((?P<group>[^()]*)\)(?P<after>[?*]?)|(?P<word>[^\s()]+)")
_LITERAL = re.compile(r"[^\W_]+")


def anchors(phrase: str) -> tuple[str, ...]:
    """Literals of which at least one stands in every text the phrase matches: a cheap test before the expression runs."""
    best: tuple[str, ...] = ()
    for token in _TOKEN.finditer(phrase):
        if token["after"] == "?":
            continue
        choices = (token["group"] if token["group"] is not None else token["word"]).split("|")
        # A letter before "?" is optional, "\\w" and its kin are no letters.
        plain = [re.sub(r"\\[a-zA-Z]|\[[^\]]*\]\S?|\{[^}]*\}|\S\?", " ", choice) for choice in choices]
        found = tuple(max(_LITERAL.findall(choice), key=len, default="") for choice in plain)
        if all(found) and (not best or min(map(len, found)) > min(map(len, best))):
            best = found
    return best


@dataclass(frozen=True, slots=True, eq=False)
class _Phrase:
    task: str
    weight: float
    asks: bool
    text: str


@functools.cache
def _phrases() -> tuple[dict[str, list[int]], list[int], list[_Phrase]]:
    """Numbers of the phrases with each anchor, of those that have none, and the phrases."""
    by_anchor: dict[str, list[int]] = {}
    always: list[int] = []
    every: list[_Phrase] = []
    for file in ["tasks", "subjects", *(f"tasks_{name}" for name in LANGUAGES if name != "en")]:
        for task, kinds in read(file).items():
            for kind, weights in kinds.items():
                for weight, phrases in weights.items():
                    for text in dict.fromkeys(str(entry).lower() for entry in phrases):
                        found = () if re.search(r"\([^()]*\(", text) else anchors(text)
                        for anchor in found:
                            by_anchor.setdefault(anchor, []).append(len(every))
                        if not found:
                            always.append(len(every))
                        every.append(_Phrase(task, float(weight), kind == "ask", text))
    return by_anchor, always, every


@functools.cache
def _pattern(phrase: str) -> re.Pattern[str]:
    return re.compile(compile_phrase(phrase))


def compile_phrases() -> None:
    """Compile every phrase now; they are otherwise compiled when first needed."""
    for phrase in _phrases()[2]:
        _pattern(phrase.text)


def evidence(text: str) -> list[Evidence]:
    """All evidence in folded text."""
    by_anchor, always, every = _phrases()
    likely = dict.fromkeys(always)
    for anchor in [anchor for anchor in by_anchor if anchor in text]:
        likely |= dict.fromkeys(by_anchor[anchor])
    found: list[Evidence] = []
    for phrase in map(every.__getitem__, likely):
        for match in _pattern(phrase.text).finditer(text):
            if _RULED_OUT.search(text, max(0, match.start() - 28), match.start()):
                continue
            weight = phrase.weight + (_stress(text, match) if phrase.asks else 0.0)
            found.append(Evidence(phrase.task, weight, phrase.asks, match.start(), match.end()))
    return _longest(found)


def _longest(found: list[Evidence]) -> list[Evidence]:
    """Of the phrases of one task that overlap, the heaviest."""
    kept: list[Evidence] = []
    for item in sorted(found, key=lambda e: (-e.weight, e.start - e.end, e.start)):
        if not any(item.task == other.task and item.start < other.end and other.start < item.end for other in kept):
            kept.append(item)
    return kept


def _stress(text: str, match: re.Match[str]) -> float:
    """A phrase with a question word is what is asked; one behind a preposition is a circumstance ("at the optimal batch")."""
    ends = 0.6 if text[match.end() : match.end() + 2].strip()[:1] in ("?", "？") else 0.0
    if _WH.match(match[0]) or _WH_BEFORE.search(text, max(0, match.start() - 24), match.start()):
        return 0.8 + ends
    return ends - 0.8 if _CIRCUMSTANCE.search(text, max(0, match.start() - 16), match.start()) else 0.0


def scores(found: list[Evidence], asked: list[tuple[int, int]], given: Mapping[str, float], aside: float = 0.45) -> dict[str, float]:
    """Score of each task: its best phrase, a little for each further one, and what the stated fields suggest."""
    best: dict[str, list[float]] = {}
    for item in found:
        inside = any(start <= item.start < end for start, end in asked) or not asked
        best.setdefault(item.task, []).append(
            item.weight * (1.0 if inside else aside) * (1.2 if item.task in _SUBJECTS and item.asks else 1.0)
        )
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
    "explain": frozenset({"compare_laws", "moe", "allocate", "batch_size", "repeat_data", "distill", "downstream"}),
    "compare_laws": frozenset({"allocate", "predict_loss", "hyperparameters", "batch_size"}),
    "design_experiments": frozenset({"allocate", "fit", "predict_loss"}),
    "allocate": frozenset({"repeat_data"}),
    "serve": frozenset({"cost", "quantize", "memory", "allocate", "wall_clock"}),
}
_SUBJECTS = frozenset(
    {
        "diffusion",
        "video",
        "multimodal",
        "translation",
        "time_series",
        "science",
        "rl",
        "sparsity",
        "distill",
        "qat",
        "moe",
        "vocabulary",
        "parallel_scaling",
        "synthetic_data",
        "filter_data",
        "mix_data",
        "repeat_data",
        "test_time",
        "lr_schedule",
    }
)
# Subjects of the wider world: a question that merely mentions them is no planning question.
_WORLDLY = frozenset({"video", "science", "translation", "multimodal", "time_series", "diffusion", "explain"})
_SPECIFIC = frozenset(
    {
        "qat",
        "distill",
        "moe",
        "sparsity",
        "vocabulary",
        "parallel_scaling",
        "repeat_data",
        "filter_data",
        "mix_data",
        "synthetic_data",
        "finetune",
        "rl",
        "test_time",
        "diffusion",
        "video",
        "multimodal",
        "translation",
        "time_series",
        "science",
        "fit",
        "design_experiments",
        "lr_schedule",
        "quantize",
        "serve",
        "downstream",
        "explain",
        "out_of_scope",
    }
)
_OPENS_EXPLANATION = re.compile(
    r"\W*(?:(?:hi|hey|hello|so|ok|and|quick question|please)\W+)*(?:what'?s?(?: is| are)?|whats|why|how (?:do|does|is)"
    r"|(?:(?:can|could|would) you )?explain"
    r"|(?:tell|teach) (?:me|us) (?:how|what|why|about)|walk me|define|was (?:ist|sind|bedeutet)|erklär\w*|qu'|c'est quoi|expliqu\w+|qué (?:es|son)|explíca\w*|什么是|解释|説明)\b"
)
_WANTS_VALUE = re.compile(
    r"\b(?:will|we'll|going to|end up|best|optimal|right|should|our|we|my|i|most|largest|cheapest|ideal|recommended|sensible|good(?! for)|finish)\b"
)
_CORE = frozenset(
    {
        "compute_flops",
        "params_total",
        "params_active",
        "tokens",
        "n_accelerators",
        "accelerator_hours",
        "unique_tokens",
        "target_loss",
        "models",
        "weight_bits",
    }
)
_TRAINS = re.compile(r"\b(?:pre-?)?train(?:ed|ing)?\b|\bfine-?tun(?:e|ed|ing)\b|trainier\w*|entraîn\w*|entren\w*")
_OPEN_ENDED = frozenset(
    {
        "tokens",
        "duration_seconds",
        "compute_flops",
        "budget_usd",
        "latency_ms_per_token",
        "concurrency",
        "inference_tokens_per_second",
        "output_tokens",
    }
)
ASKS = re.compile(
    r"\?|？|吗|呢|か\s*$|\b(?:what|how|which|when|why|can|could|should|is|are|does|do|will|would|where|please|plan|give|tell|predict|estimate|recommend|explain|compute|calculate|confirm|fit|"
    r"wie|was|welche\w*|wann|warum|reicht|kann|combien|quel\w*|comment|pourquoi|peut|cuánt\w*|qué|cómo|cuál|puede|need|want|wonder\w*|know|looking)\b"
)
_AMOUNT = re.compile(r"\d(?:\.\d+)?(?:e\d\d|[bt]\b)")
_LEADING = re.compile(r"(?:\band\b|\balso\b|\bplus\b|&|\+|\bund\b|\bet\b|\by\b|,|\?|\.|和|と|；|;)")


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known before the decision: the evidence, its scores by task, the features of the words and which tasks cannot be meant."""

    found: list[Evidence]
    table: dict[str, float]
    features: set[str]
    ruled_out: set[str]
    weak: bool
    outside: bool


def observe(text: str, asked: list[tuple[int, int]], filled: Filled, lang: str = "en") -> Observed:
    """Weigh the evidence of a folded question."""
    values: Mapping[str, object] = filled.values
    found = evidence(text)
    table = scores(found, asked, _given(values, filled, text), 0.8 if len(text) < 170 else 0.45)
    laws_named = any(name.kind in ("law", "author") for name in filled.spotted)
    of_our_field = bool(_domain()[0].search(text))
    core = bool((_CORE | {"accelerator", "runs"}) & values.keys())
    outside = not core and not laws_named and not of_our_field
    ruled_out = set() if of_our_field or core else set(_WORLDLY)
    everyday = not core and not laws_named and _everyday(text)
    thin = bool(values) and values.keys() <= _THIN and not laws_named and _thin(text)
    if everyday:
        table["out_of_scope"] = max(table.get("out_of_scope", 0.0), 1.0) + 3.5
    if thin:
        table["out_of_scope"] = max(table.get("out_of_scope", 0.0), 1.0) + 4.0
    if _CORE & values.keys() and any(item.asks and item.weight >= 4.0 and item.task != "out_of_scope" for item in found):
        # An order slipped in beside a planning question changes nothing.
        ruled_out.add("out_of_scope")
    elif (_CORE & values.keys() or laws_named) and "out_of_scope" in table:
        table["out_of_scope"] *= 0.5
    weak = max(table.values(), default=0.0) < 2.0
    if weak and (core or laws_named) and not thin:
        ruled_out.add("out_of_scope")
        table[_default(values)] = table.get(_default(values), 0.0) + 1.0
    marks = [f"L:{lang}", *(f"E:{name.kind}" for name in filled.spotted)]
    marks += [f"E:{name.kind}:{name.id}" for name in filled.spotted if name.kind in ("law", "author")]
    marks += [] if of_our_field else ["G:nodomain"]
    marks += [] if values else ["G:nofields"]
    marks += ["G:everyday"] if everyday else []
    marks += ["G:thin"] if thin else []
    return Observed(found, table, features(text, asked, values, marks), ruled_out, weak, outside)


def decide(text: str, asked: list[tuple[int, int]], filled: Filled, lang: str = "en") -> Decision:
    """The task a question asks for: written evidence, stated fields and learned words in one logistic regression."""
    seen = observe(text, asked, filled, lang)
    if not _CORE & filled.values.keys() and (wanted := _bare(text)):
        return Decision(wanted, [], 0.6, [], 5.0)
    if seen.outside:
        return Decision("out_of_scope", [], 0.9, [], 9.0)
    odds = log_odds(seen.features, seen.table)
    chances = probabilities({task: value for task, value in odds.items() if task not in seen.ruled_out})
    ranked = sorted(chances.items(), key=lambda item: (-item[1], item[0]))
    task, chance = ranked[0]
    table = {**dict.fromkeys(odds, 0.0), **seen.table}
    also = [] if task == "out_of_scope" else _also(text, seen.found, asked, task, table[task], seen.table)
    if "target_loss" in filled.values and task == "allocate":
        also = [name for name in also if name != "predict_loss"]
    if task == "allocate" and "compute_flops" in filled.values:
        also = [name for name in also if not _BOUNDS.get(name, frozenset()) & filled.values.keys()]
    if "batch_tokens" in filled.values:
        also = [name for name in also if name != "batch_size"]
    if also and task not in _SPECIFIC and not _SPECIFIC & set(also):
        task, *also = sorted([task, *also], key=lambda name: _first(seen.found, name, asked))
    if task in (asked_list := listed(text)):
        task, also = asked_list[0], [*asked_list[1:], *(name for name in also if name not in asked_list)][:3]
    if (two := _first_then(text, seen.found)) and task in two:
        task, also = two[0], [two[1]]
    if any(name.id.startswith("bhagia") for name in filled.spotted):
        also = [name for name in also if name != "design_experiments"]  # the ladder of that law's name
    if task == "quantize" and not also and _THEN_SPEED.search(text):
        also = ["serve"]
    if task == "fit" and not also and _POINT & filled.values.keys() and _THEN_PREDICT.search(text):
        also = ["predict_loss"]
    if task not in ("explain", "out_of_scope") and _CORE & filled.values.keys() and _EXPLAIN_AND.match(text):
        task, also = "explain", [task, *also]
    near = [name for name, other in ranked[:4] if name != task and name not in also and other > 0.2 * chance and name != "out_of_scope"]
    sure = round(min(0.99, max(0.05, chance)), 2)
    return Decision(task, also, min(sure, 0.45) if seen.weak else sure, near, 0.0 if seen.weak else table[task])


_FIRST_THEN = re.compile(r"\bfirst(?:ly)?\b[^?!]*?(?P<then>\b(?:and )?(?:then|second(?:ly)?|after that)\b)")


def _first_then(text: str, found: list[Evidence]) -> tuple[str, str] | None:
    """Two tasks in the order a message asks for them ("first the cost, then the days")."""
    order = _FIRST_THEN.search(text)
    if order is None:
        return None
    best: list[str] = []
    for low, high in ((order.start(), order.start("then")), (order.start("then"), len(text))):
        asked = [item for item in found if item.asks and item.weight >= 2.5 and low <= item.start < high and item.task != "out_of_scope"]
        if not asked:
            return None
        best.append(max(asked, key=lambda item: (item.weight, -item.start)).task)
    return (best[0], best[1]) if best[0] != best[1] else None


@functools.cache
def _bare_patterns() -> dict[str, re.Pattern[str]]:
    return {task: re.compile("|".join(f"(?:{one})" for one in patterns)) for task, patterns in read("domain")["bare"].items()}


def _bare(text: str) -> str | None:
    """The task of a message that is nothing but "how long will it take?"."""
    plain = _POLITE.sub("", text.strip(" \n?!.¿¡？。")).strip(" ,?!.？。")
    return next((task for task, pattern in _bare_patterns().items() if pattern.fullmatch(plain)), None)


_POLITE = re.compile(
    r"^(?:(?:hi|hello|hey|ok|okay|so|and|well|hallo|bonjour|hola)\b[ ,!]*)+|[ ,](?:please|pls|bitte|s'il vous plaît|por favor|roughly|approximately|then|in total)$"
)
# A limit stated for the model to be found asks for nothing.
_BOUNDS = {"memory": frozenset({"memory_bytes"}), "serve": frozenset({"latency_ms_per_token", "price_per_million_tokens_usd"})}
_POINT = frozenset({"params_total", "tokens", "compute_flops"})
_THEN_PREDICT = re.compile(r"\b(?:predict\w*|forecast\w*|extrapolat\w*|prediction)\b|(?:tell|give|what|which|then)[^.?!]{0,30}\bloss\b")
_THEN_SPEED = re.compile(r"(?:\band|\bthen|[,;?]) (?:\w+ ){0,3}?(?:how fast|throughput|speed|latency|tok/s|tokens (?:per|a) second)\b")
_EXPLAIN_AND = re.compile(
    r"\W*(?:please |(?:can|could) you )?explain\b[^.?!]*[, ](?:and|then) (?:then )?(?:give|tell|compute|say|what|how|use|apply|predict)\b"
)
# What may be stated beside an everyday question: an accelerator as a thing to buy, money, a capacity.
_THIN = frozenset({"accelerator", "budget_usd", "memory_bytes"})
_HARDWARE_WORDS = re.compile(
    r"h\d00\w*|a100\w*|gpus?|accelerators?|chips?|hardware|budget|costs?|price|size|runs?|fits?|memory|bits?|data|problems|images?|policy|context"
)


def _plain(words: list[str]) -> str:
    return "|".join(str(word).replace("*", r"\w*") for word in words)


@functools.cache
def _domain() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(words of our field, those of them that everyday questions use as well)."""
    data = read("domain")
    return re.compile(rf"(?<![a-zà-ÿ0-9_])(?:{_plain(data['words'])})(?![a-zà-ÿ0-9_])|{'|'.join(data['cjk'])}"), re.compile(
        _plain(data["common"])
    )


def of_planning(text: str) -> bool:
    """Whether a folded text can be a planning question by its words: one of our field that is no everyday one, or an amount as we write them."""
    return (bool(_domain()[0].search(text)) and not _everyday(text)) or bool(_AMOUNT.search(text))


def asks_for_plan(text: str) -> bool:
    """Whether a text by itself can be a planning question."""
    return of_planning(text) and asks(text)


def off_topic(text: str) -> bool:
    """Whether a sentence holds a phrase of small talk or of another field."""
    return any(item.task == "out_of_scope" for item in evidence(text))


def asks(text: str) -> bool:
    """Whether a text asks: by its words, or by a phrase that asks for a task's result ("best model for 1e22 FLOPs")."""
    return bool(ASKS.search(text)) or any(item.asks and item.weight >= 2.5 and item.task != "out_of_scope" for item in evidence(text))


def _everyday(text: str) -> bool:
    """Whether a message has at most one word of our field, and that an everyday one ("teacher salary", "batch cooking")."""
    words, common = _domain()
    found = {match[0] for match in words.finditer(text)}
    return len(found) < 2 and all(common.fullmatch(word) for word in found)


def _thin(text: str) -> bool:
    """Whether no word of our field stands in a text but those of hardware and money."""
    return all(_HARDWARE_WORDS.fullmatch(match[0]) for match in _domain()[0].finditer(text))


def _default(values: Mapping[str, object]) -> str:
    if set(values) <= {"laws", "architecture"}:
        return "explain"
    if "compute_flops" in values or "budget_usd" in values or "accelerator_hours" in values:
        return "allocate"
    return "predict_loss" if "params_total" in values and "tokens" in values else "allocate"


@functools.cache
def _rules() -> list[tuple[frozenset[str], frozenset[str], frozenset[str], str, str, dict[str, float]]]:
    """(any, all, none, text, without, weights) of the rules of given.yaml."""
    rules: Any = read("given")
    return [
        (
            frozenset(rule.get("any", ())),
            frozenset(rule.get("all", ())),
            frozenset(rule.get("none", ())),
            rule.get("text", ""),
            rule.get("without", ""),
            {task: float(weight) for task, weight in rule["add"].items()},
        )
        for rule in rules
    ]


def _known(values: Mapping[str, object], filled: Filled, text: str, laws: set[str]) -> set[str]:
    """Stated fields and the marks of given.yaml."""
    sized = bool({"params_total", "params_active", "models"} & values.keys())
    marks = {
        "stated": bool(values),
        "sized": sized,
        "core": bool(_CORE & values.keys()),
        "several_laws": len(laws) > 1,
        "moe_named": filled.moe_named,
        "moe_lost": filled.moe_lost,
        "trains": bool(_TRAINS.search(text)),
        "open_ended": bool(_OPEN_ENDED & values.keys()),
        "weights_weighed": filled.weights_weighed,
        "opens_explanation": bool(_OPENS_EXPLANATION.match(text)) and not _WANTS_VALUE.search(text),
        "into": filled.into is not None,
    }
    several = {f"{name}*" for name, value in values.items() if isinstance(value, list)}
    return {*values, *several, *(name for name, holds in marks.items() if holds)}


def _given(values: Mapping[str, object], filled: Filled, text: str) -> dict[str, float]:
    """What the stated fields say about the task: the weights of the rules that hold, and of the areas of the laws named."""
    given: dict[str, float] = {}
    laws = {name.id for name in laws_kept(filled)}
    known = _known(values, filled, text, laws)
    for some, every, none, there, absent, weights in _rules():
        if (
            (not some or some & known)
            and every <= known
            and not none & known
            and (not there or re.search(there, text))
            and not (absent and re.search(absent, text))
        ):
            for task, weight in weights.items():
                given[task] = given.get(task, 0.0) + weight
    for task in (task for law in laws for task in names.law_tasks(law)):
        given[task] = given.get(task, 0.0) + 1.0
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
    places: list[Evidence] = []
    for name in table:
        if (
            name in (task, "out_of_scope", "explain")
            or name in _ABSORBS.get(task, ())
            or (task in _SUBJECTS - {"repeat_data", "test_time", "lr_schedule", "moe"} and name not in _OF_ANY_SUBJECT)
        ):
            continue
        for item in found:
            if item.task != name or not item.asks or item.weight < 4.0 or any(_within(text, other, item) for other in own):
                continue
            after = item.start >= best.end
            if (
                task in _SUBJECTS
                and name in _OF_ANY_SUBJECT
                and not (after and _SECOND.search(text, max(0, item.start - 24), item.start + 6))
            ):
                continue
            apart = asked and not any(start <= item.start < end for start, end in asked)
            if apart and not _FRESH.search(text, max(0, item.start - 8), item.start + 6):
                continue
            low, high = min(item.end, best.end), max(item.start, best.start)
            if low > high:
                low, high = min(item.start, best.start), max(item.end, best.end)
            if (
                _LEADING.search(text, max(0, low - 4), high)
                and _connected(text, low, high)
                and name not in more
                and table[name] > (0.3 if after and _SECOND.search(text, max(0, item.start - 16), item.start + 6) else 0.45) * score
            ):
                more.append(name)
                places.append(item)
    # One phrase asks one thing: of two that overlap, the heavier.
    apart_from = [
        name
        for name, item in zip(more, places, strict=True)
        if not any(
            other is not item
            and item.start < other.end
            and other.start < item.end
            and (other.weight, other.task) > (item.weight, item.task)
            for other in places
        )
    ]
    return apart_from[:2]


def _within(text: str, own: Evidence, item: Evidence) -> bool:
    """Whether a phrase is part of another and not a second thing asked ("time and $ to train")."""
    overlap = own.start < item.end and item.start < own.end
    return overlap and not _CONNECT.search(text, min(own.start, item.start), max(own.start, item.start) + 4)


# What can be asked beside any subject, in words of its own: "..., and which batch size?"
_OF_ANY_SUBJECT = frozenset({"cost", "wall_clock", "serve", "memory", "hyperparameters", "batch_size"})
_SECOND = re.compile(
    r"(?:\b(?:and|und|et|y|also|plus)\b|&|\+|\?) ?(?:then )?"
    r"(?:does|do|what|which|how|the|at what|cost|price|loss|size|welche\w*|wie|was|combien|quel\w*|cuánt\w*|qué)\b"
    r"|[，,] ?(?=[a-z]*[会要需][^，,]*多少)|(?:^|[^a-z])(?:以及|还有|并且|また)"
)
_FRESH = re.compile(r"\b(?:and|also|plus|und|et|y)\b|&|\+")
_CONNECT = re.compile(r"\b(?:and|also|plus|as well as|und|et|y|too)\b|&|\+|以及|还有|并且|それと|また|そして|\?")


def _connected(text: str, low: int, high: int) -> bool:
    return bool(_CONNECT.search(text, max(0, low - 4), high + 4))
