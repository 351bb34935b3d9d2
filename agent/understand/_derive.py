"""Quantities whose dimension only their neighbours show: nodes times cards, "H100s at $2", a perplexity."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace

from agent.understand.quantities import Measure
from agent.understand.slots import Scene

_SPANS = frozenset(
    {"in", "within", "for", "under", "over", "have", "only", "than", "just", "of", "takes", "about", "around", "inside", "got"}
)
_GPU_BEHIND = re.compile(r"(?:-| de | d'| )(?:gpus?|tpus?|cartes?|tarjetas?|accélérateurs?|aceleradores)(?!\w)(?! ?[\d])")
# Who gets the tokens of a rate, named before it: "every user gets 30 tokens per second".
_EACH_USER = re.compile(
    r"\b(?:each|every|per|a single|one|any) (?:\w+ )?(?:users?|customers?|clients?|streams?|requests?|sessions?|people|person|reader)\b[^.?!;,]{0,40}$"
)
_PRICED = re.compile(r"\b(?:pay\w*|cost\w*|price\w*|rate|rent\w*|charge\w*|bill\w*|dollars?|usd|at|@)\b|[$@]")
_HOURS = re.compile(r"\bh(?:r|rs|our|ours)?\b|stunde|heure|hora")
_RACK_OF = re.compile(r"\bnvl ?(?P<gpus>\d+)\b")
_HOUR_BEFORE = re.compile(
    r"(?:每|1|一)\s*(?:个)?(?:小时|時間|时)(?:あたり|につき)?[ :]*$|(?:pro stunde|por hora|par heure|per hour|hourly|stündlich)[ :]*$"
)
_FOR_NODE = re.compile(r" (?:for|per) (?:the |a |one |each )?(?:whole )?(?:node|server|box|machine|instance)\b")
_TIMES = frozenset({"twice", "once"})
_ARTICLES = frozenset({"ein", "eine", "einen", "einem", "einer", "un", "une", "una", "uno", "a", "an"})
_HEADCOUNT = frozenset({("we", "are"), ("team", "of"), ("group", "of"), ("wir", "sind"), ("nous", "sommes")})
_RATES = ("tflop", "teraflop", "pflop", "petaflop", "tera flop", "peta flop")  # of one chip or cluster: nobody has a budget that small


_TWO_CORES = frozenset({"tpu-v2", "tpu-v3", "tpu-v4", "tpu-v5p"})
_SERVES = re.compile(
    r"\b(?:tok(?:en)?s?/s|tokens? per sec\w*|tps|throughput|serv(?:e|ing|es)|inference|latency|ttft|tpot|concurren\w*|batch|per (?:1?m|million)"
    r"|traffic|requests?|prompts?|users?|generat\w+|decod\w+|deploy\w*|host\w*|in/out|isl|osl|rps|qps)\b|部署|推理|推論|吞吐"
)
_HOW_MANY_NODES = re.compile(r"\bhow many (?:\w+ )?(?:nodes|servers|boxes|machines|hosts) (?:of|with|having) $")
_ACTIVATIONS_BEFORE = re.compile(r"\bactivations? (?:(?:are |kept |held |stay )?(?:at|in|to|with|of) )?$")
_ACTIVATIONS_BEHIND = re.compile(r"[ -]activations?\b")
_LONE_STREAM = re.compile(
    r",? (?:for |in |on |at )?(?:a )?(?:single[ -](?:stream|user|request)|one user|batch (?:size )?(?:of )?(?:1|one))\b"
)
_BY_DAY = re.compile(r"\b(?:by|until|before|till|bis) (?:day|tag) $")
_LOSS_MOVES = re.compile(r"\b(?:loss|nats|cross-entropy)\b[^.?!]{0,30}\bfrom (?:\d+\.\d+ (?:nats )?(?:down )?to )?$")
_OF_NAMED = re.compile(
    r"(?:,? (?:or|and|vs|/)? ?\d+)* (?:each|apiece|available|of (?:each|them|those|these|both)|on hand|in stock|pieces|altogether|in total|verfügbar|stück|disponibles?)(?= ?(?:[,.;:?!)]|$|for|in|and|over|on|to|days))"
)
_RACKS_OF = re.compile(r" (?:of |with |mit |de |von )?(?:the |our )?(?:nvidia )?gb\d00 ?(?:nvl ?(?P<gpus>\d+))")
_COUNTED_NEXT = re.compile(r" ?(?:gbit|gbps|gb|users?|steps|experts|gpus?|runs|layers|epochs)\b")
_MONTHS = frozenset(
    [
        "jan",
        "january",
        "januar",
        "janvier",
        "enero",
        "feb",
        "february",
        "februar",
        "février",
        "febrero",
        "mar",
        "march",
        "märz",
        "mars",
        "marzo",
        "apr",
        "april",
        "avril",
        "abril",
        "may",
        "mai",
        "mayo",
        "jun",
        "june",
        "juni",
        "juin",
        "junio",
        "jul",
        "july",
        "juli",
        "juillet",
        "julio",
        "aug",
        "august",
        "août",
        "agosto",
        "sep",
        "sept",
        "september",
        "septembre",
        "septiembre",
        "oct",
        "october",
        "okt",
        "oktober",
        "octobre",
        "octubre",
        "nov",
        "november",
        "novembre",
        "noviembre",
        "dec",
        "december",
        "dez",
        "dezember",
        "décembre",
        "diciembre",
    ]
)
_ALSO_WORDS = frozenset({"mar", "may", "mars", "march", "mai", "dec"})


def derive(place: Scene, found: list[Measure], text: str) -> None:
    """Quantities whose dimension only their neighbours show: nodes times cards, "H100s at $2", "N = 7e9"."""
    _side_by_side(place, found, text)
    _one_by_one(place, found, text)


def _side_by_side(place: Scene, found: list[Measure], text: str) -> None:
    """What two quantities next to each other say of one another: "7B/140B", "1時間2ドル", "2k in, 500 out"."""
    for one, two in itertools.pairwise(found):
        if one.dim == two.dim == "plain" and one.value >= 1e6 and two.first - one.after == 1 and place.atoms[one.after].text in "/@":
            # "7B/140B", "13B@1T": a size and its data.
            if 8 * one.value <= two.value < 1e15:
                one.dim, two.dim = "params", "tokens"
        elif (
            one.dim == "plain"
            and one.value >= 1e6
            and two.dim == "tokens"
            and two.first - one.after == 1
            and place.atoms[one.after].text == "/"
        ):
            one.dim = "params"
        # "1時間2ドル", "每小时 2 美元": the hour stands before its price.
        if one.dim == "time" and one.value == 3600.0 and two.dim == "usd" and two.first - one.after <= 1:
            one.dim, two.dim = "used", "usd_per_hour"
        # "$100k minus $20k for storage": taken off, no budget of its own.
        if one.dim == two.dim == "usd" and two.value < 0 and place.atoms[two.first].text == "minus":
            two.dim = "deducted"
        _in_and_out(place, one, two, text)


def _one_by_one(place: Scene, found: list[Measure], text: str) -> None:
    """What the words around a quantity say it is, and nodes times the cards of each."""
    per_node = next((m.value for m in found if m.dim == "per_node"), None)
    for number, measure in enumerate(found):
        if measure.dim == "plain" and (cards := _of_slice(place, measure)):
            measure.dim, measure.value, measure.accelerator = "acc", cards[0], cards[1]
        elif measure.dim in ("plain", "acc") and _HOW_MANY_NODES.search(text, max(0, measure.start - 40), measure.start):
            measure.dim = "used"  # "how many nodes of 8 H100s": the count is what is asked
        elif measure.dim == "bits" and (
            _ACTIVATIONS_BEFORE.search(text, max(0, measure.start - 24), measure.start) or _ACTIVATIONS_BEHIND.match(text, measure.end)
        ):
            measure.dim = "used"  # the weights' bits are asked about
        elif measure.dim == "plain" and 1 < measure.value < 1000 and _BY_DAY.search(text, max(0, measure.start - 16), measure.start):
            measure.dim, measure.value = "time", measure.value * 86400.0
        elif measure.dim == "plain" and 0.3 < measure.value < 15 and _LOSS_MOVES.search(text, max(0, measure.start - 60), measure.start):
            measure.dim = "nats"
        elif measure.dim == "plain" and _count_of_named(place, measure, text):
            measure.dim = "acc"
        elif measure.dim == "nodes" and (rack := _RACKS_OF.match(text, measure.end)):
            measure.dim, measure.value = "acc", measure.value * float(rack["gpus"])
        if measure.dim == "params" and abs(measure.value) < 1000:
            # "6 active per token": a count, and "active" a word about it.
            measure.dim, measure.after = "plain", measure.first + 1
        if measure.dim == "acc" and measure.scaled and measure.value >= 5e6:
            # "7B 300B H100": no cluster has billions of cards.
            measure.dim, measure.after = "plain", measure.after - 1
        nodes_of = next((other for other in found[number + 1 :] if other.dim == "acc"), None)
        if measure.dim == "nodes" and per_node:
            measure.dim, measure.value = "acc", measure.value * per_node
        elif measure.dim == "nodes" and nodes_of and _each(place, measure, nodes_of):
            measure.dim, measure.value, measure.accelerator = "acc", measure.value * nodes_of.value, nodes_of.accelerator
            nodes_of.dim = "used"
        elif measure.dim == "node_hours" and (per_node or nodes_of):
            cards = per_node or (nodes_of.value if nodes_of else 1.0)
            measure.dim, measure.value = "acc_hours", measure.value * cards
            if nodes_of and not per_node:
                nodes_of.dim = "used"
        elif measure.dim == "time" and _GPU_BEHIND.match(text, measure.end):
            measure.dim, measure.value = "acc_hours", measure.value / 3600.0
        elif measure.dim == "bare_rate":
            _settle_rate(place, measure, text)
        elif measure.dim == "token_rate" and measure.value >= 1e8 and measure.after - measure.first == 5:
            measure.dim, measure.after = "plain", measure.after - 3  # "L4, 7B tok/s": the size, and what is asked
        elif measure.dim == "token_rate" and measure.value > 0 and _EACH_USER.search(text, 0, measure.start):
            measure.dim, measure.value = "latency", 1000.0 / measure.value
        elif measure.dim == "acc" and (racks := _racks(place, measure, text)):
            measure.value, measure.after = measure.value * racks, measure.after + 1
        elif (
            measure.dim in ("usd_per_node_hour", "usd_per_hour")
            and (cards := per_node or _cards_of_node(found))
            and (measure.dim == "usd_per_node_hour" or _FOR_NODE.match(text, measure.end))
        ):
            measure.dim, measure.value = "usd_per_hour", float(f"{measure.value / cards:.15g}")
        elif (
            measure.dim == "token_rate"
            and 0 < measure.value < 2000
            and (_each_user(place, measure) or _LONE_STREAM.match(text, measure.end))
        ):
            measure.dim, measure.value = "latency", 1000.0 / measure.value
        elif measure.value < 100 and (measure.dim == "usd_per_item" or (measure.dim == "usd" and _hourly(place, measure, text))):
            measure.dim = "usd_per_hour"
        elif measure.dim in ("tokens", "plain") and _reference_amount(place, measure):
            measure.dim = "used"
        elif measure.dim == "plain" and 1 < measure.value < 1e5 and not measure.scaled and _of_perplexity(place, measure):
            measure.dim, measure.value = "nats", math.log(measure.value)
        elif measure.dim == "flop" and measure.value < 1e18 and text[measure.start : measure.end].rstrip("s/ ").endswith(_RATES):
            measure.dim = "flop_rate"
        elif measure.dim == "one_time":
            before = place.atoms[measure.first - 1].text if measure.first else ""
            measure.dim = "time" if before in _SPANS else "used"
        elif measure.dim == "time" and 0 < measure.value < 1.0:
            measure.dim, measure.value = "latency", measure.value * 1000.0


def _in_and_out(place: Scene, one: Measure, two: Measure, text: str) -> None:
    """ "1k/1k", "2k/500", "512/128" in a question about serving: prompt and answer tokens."""
    between = [atom.text for atom in place.atoms[one.after : two.first]]
    if (
        one.dim == two.dim == "plain"
        and between in (["/"], [":"], ["->"], ["-", ">"], ["→"])
        and min(one.value, two.value) >= 64
        and max(one.value, two.value) <= 2e5
        and (not _COUNTED_NEXT.match(text, two.end))
        and _SERVES.search(text)
    ):
        one.dim, two.dim = "input_amount", "output_amount"


def _count_of_named(place: Scene, measure: Measure, text: str) -> bool:
    """Whether a bare number counts the accelerators named just before it ("H100 vs MI300X, 128 each", "B200s, 48 available")."""
    before = place.atoms[max(0, measure.first - 4) : measure.first]
    return (
        not measure.scaled
        and measure.value.is_integer()
        and 0 < measure.value <= 1e6
        and bool(_OF_NAMED.match(text, measure.end))
        and any(atom.entity and atom.entity[0] == "accelerator" for atom in before)
        and not any(atom.text in ".?!;" for atom in before)
    )


def _of_slice(place: Scene, measure: Measure) -> tuple[float, str] | None:
    """(chips, part) of a slice's name: "v5p-128" counts the two cores of each chip, "v5e-256" chips."""
    if measure.first < 2 or place.atoms[measure.first - 1].text != "-" or not 4 <= measure.value <= 20_000:
        return None
    part = place.atoms[measure.first - 2]
    if part.entity is None or not part.entity[1].startswith("tpu-") or place.atoms[measure.first].start != part.end + 1:
        return None
    return measure.value / (2.0 if part.entity[1] in _TWO_CORES else 1.0), part.entity[1]


def is_date(place: Scene, measure: Measure) -> bool:
    """Whether a number is the day of a month ("Jan 5", "3 March", "the 5th of May")."""
    if measure.dim != "plain" or not 1 <= measure.value <= 31 or not measure.value.is_integer() or measure.scaled:
        return False
    before = place.atoms[measure.first - 1].text.rstrip(".") if measure.first else ""
    behind = [
        atom.text for atom in place.atoms[measure.after : measure.after + 3] if atom.text not in ("st", "nd", "rd", "th", "of", "de", ".")
    ]
    return before in _MONTHS or (bool(behind) and behind[0] in _MONTHS - _ALSO_WORDS)


def _settle_rate(place: Scene, measure: Measure, text: str) -> None:
    """A bare "2.3 an hour" is the price of an accelerator where one is named and money is the talk; else it counts something."""
    hardware = any(atom.entity and atom.entity[0] == "accelerator" for atom in place.atoms) or "gpu" in text
    hourly = measure.value < 100 and _HOURS.search(text[measure.start : measure.end])
    if (
        hardware
        and hourly
        and (_PRICED.search(text, max(0, measure.start - 40), measure.end + 30) or "." in text[measure.start : measure.end])
    ):
        measure.dim = "usd_per_hour"
    else:
        measure.dim, measure.value, measure.after = "plain", place.atoms[measure.first].value, measure.first + 1


def _racks(place: Scene, measure: Measure, text: str) -> float:
    """Accelerators in each of the racks counted ("two GB200 NVL72 racks"), 0 where no racks are."""
    behind = place.atoms[measure.after].text if measure.after < len(place.atoms) else ""
    named = _RACK_OF.search(text[measure.start : measure.end])
    return float(named["gpus"]) if named and behind in ("rack", "racks", "systems", "system", "cabinets", "cabinet") else 0.0


def _reference_amount(place: Scene, measure: Measure) -> bool:
    """The million of "cost per 1M tokens" and the k of "pass@k" are no quantities of their own."""
    before = place.atoms[measure.first - 1].text if measure.first else ""
    if measure.dim == "plain" and measure.first > 1 and (place.atoms[measure.first - 2].text, before) in _HEADCOUNT:
        return True
    if measure.dim == "plain":
        return before == "@" and place.atoms[measure.first - 2].text in ("pass", "maj")
    priced = any(
        atom.text in ("cost", "costs", "price", "cents", "bill") for atom in place.atoms[max(0, measure.first - 5) : measure.after + 4]
    )
    if any(cue.first == measure.after for cue in place.hits.get("batch", ())):  # "1B / 200B tokens / 1M token batch"
        return False
    return measure.value in (1e6, 1e3) and (before in ("per", "/", "every", "each") or priced)


def _of_perplexity(place: Scene, measure: Measure) -> bool:
    """Whether a number is a perplexity: the word stands right before or behind it."""
    return any(0 <= measure.first - cue.after <= 2 or cue.first == measure.after for cue in place.hits.get("perplexity", ()))


def _cards_of_node(found: list[Measure]) -> float | None:
    """Cards of the one node a message speaks of ("8xH100 at $20 per node-hour")."""
    counts = [m.value for m in found if m.dim == "acc"]
    return counts[0] if len(counts) == 1 and counts[0] <= 16 and not any(m.dim == "nodes" for m in found) else None


def _each_user(place: Scene, measure: Measure) -> bool:
    """Whether a rate is that of every user ("100 users each get 20 tokens/s", "20 tok/s each")."""
    around = [
        atom.text for atom in (*place.atoms[max(0, measure.first - 4) : measure.first], *place.atoms[measure.after : measure.after + 2])
    ]
    return any(word in ("each", "jeweils", "chacun", "cada", "apiece", "everyone", "individual") for word in around)


def _each(place: Scene, nodes: Measure, cards: Measure) -> bool:
    words = [atom.text for atom in place.atoms[nodes.after : min(len(place.atoms), cards.after + 4)]]
    gap = cards.first - nodes.after
    return gap <= 3 or (gap <= 6 and bool({"each", "per", "jeweils", "je", "chacun", "cada"} & set(words)))


def _hourly(place: Scene, measure: Measure, text: str) -> bool:
    if _HOUR_BEFORE.search(text, 0, measure.start):
        return True
    before = place.atoms[max(0, measure.first - 3) : measure.first]
    if not before or before[-1].text not in ("at", "@", "for", "a", "à", "zu", "bei"):
        return False
    # Nobody's budget is $2 beside a cluster.
    hardware = any(
        atom.entity and atom.entity[0] == "accelerator" for atom in (before if measure.value >= 30 or measure.scaled else place.atoms)
    )
    return hardware or any(atom.text in ("hours", "gpus", "gpu", "hour", "stunden") for atom in before)


def is_article(place: Scene, measure: Measure) -> bool:
    """Whether a bare number is an article ("ein", "un", "una") or says how often ("twice") and counts nothing."""
    alone = measure.dim == "plain" and measure.after - measure.first == 1
    word = place.atoms[measure.first].text
    return alone and (word in _TIMES or (measure.value == 1.0 and word in _ARTICLES))


def with_memory(found: list[Measure]) -> list[Measure]:
    """ "8 x 24 GB cards" holds a second quantity: the memory of one card."""
    extra = [replace(m, dim="bytes", value=m.memory, memory=None) for m in found if m.memory]
    return sorted([*found, *extra], key=lambda m: m.first)


__all__ = ["derive", "is_article", "is_date", "with_memory"]
