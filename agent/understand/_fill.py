"""From slots and names to the fields of a brief: lists where values are compared, one value where one is meant."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from agent.understand import _into, names
from agent.understand._adjust import adjust
from agent.understand._alternatives import pair
from agent.understand._earlier import left_out
from agent.understand._shares import take_shares
from agent.understand.quantities import Measure
from agent.understand.slots import Scene, Slot, assign, corrected, discount, inherit, joined, taken_back

_SPANS = frozenset(
    {"in", "within", "for", "under", "over", "have", "only", "than", "just", "of", "takes", "about", "around", "inside", "got"}
)
_EXPERTS = re.compile(r"expert|moe|mixture|routed|top[ -]?k|activ|专家|エキスパート")
_WH = re.compile(
    r"\b(?:what|how|which|when|can|could|should|would|will|predict|expect|extrapolate|forecast|project|estimate|wie|was|welche\w*|combien|quel\w*|cuánt\w*|qué)\b"
)
_INTEGER = frozenset(
    {
        "n_accelerators",
        "n_experts",
        "experts_per_token",
        "input_tokens",
        "output_tokens",
        "concurrency",
        "sequence_length",
        "vocab_size",
        "samples",
        "weight_bits",
    }
)
_PASS_AT = re.compile(
    r"(?:pass|maj|cons|avg|best|bo|vot(?:e|es|ing)|majority|consensus|consistency)\s?(?:@|at|-?of-?|n=|over|among|with|from)\s?-?(\d+(?:\.\d+)?)\s?(k)?(?![\d%])"
)
_RATIO = re.compile(
    r"(\d+(?:\.\d+)?) ?(?::|to) ?1\b(?=[^.?!]{0,12}(?:tok|data|d/n|ratio|params))"
    r"|(?:tok\w*|data|d)[ /:-]*(?:to|per|/|:)?[ /:-]*(?:param\w*|n)?[ -]ratio (?:of |is |= ?)?(\d+(?:\.\d+)?)"
)
_TRAINS = re.compile(
    r"(?:train\w*|run\w*|total|reach|budget of|needs?|target\w*) (?:\S+ ){0,4}?\S*\d\S* ?(?:b|t|billion|trillion)? tokens|epochs? to"
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
_DATA_LEAD = frozenset(
    {
        "on",
        "for",
        "with",
        "at",
        "@",
        "/",
        ",",
        "over",
        "after",
        "through",
        "seeing",
        "saw",
        "and",
        "+",
        "&",
        "auf",
        "mit",
        "sur",
        "avec",
        "con",
        "about",
        "around",
        "only",
        "x",
        "×",
        "|",
        "-",
    }
)
_ASSIGNED = re.compile(r"(?<![\w])(?P<name>n|d|c)\s*=\s*$")
_LETTER = {"n": "params_total", "d": "tokens", "c": "compute_flops"}
_BYTES = re.compile(r"\b(?:gb|gib|gigabytes?|bytes|memory|vram)\b")
_RECIPE = re.compile(r"optimi[sz]er|\badam|gradients?\b|\bgrads\b|activations|\btrain|fine-?tun")
_NO_BITS = frozenset(
    {"memory", "wall_clock", "cost", "predict_loss", "hyperparameters", "batch_size", "lr_schedule", "finetune", "vocabulary"}
)
_TRAINING_FORMATS = re.compile(
    r"(?:gradients?|grads?|master|optimi[sz]er|adam\w*|activations?|accumulat\w+|mixed precision|momentum|states?)"
)
_FOR_NODE = re.compile(r" (?:for|per) (?:the |a |one |each )?(?:whole )?(?:node|server|box|machine|instance)\b")
_ARTICLES = frozenset({"ein", "eine", "einen", "einem", "einer", "un", "une", "una", "uno", "a", "an"})
_HEADCOUNT = frozenset({("we", "are"), ("team", "of"), ("group", "of"), ("wir", "sind"), ("nous", "sommes")})
_RATES = ("tflop", "teraflop", "pflop", "petaflop", "tera flop", "peta flop")  # of one chip or cluster: nobody has a budget that small
_MOE = re.compile(r"\b(?:moes?|mixtures?[ -]of[ -]experts|混合专家)\b|(?<![a-z])moe(?![a-z])|混合专家")
_WITHOUT = re.compile(
    r"\b(?:no|without|not|non|never|excluding|ohne|kein\w*|sans|pas de|sin|nada de)[ -](?:an?y? |the |use |using |going |un |eine?n? )*$|不用$|不要$"
)
_DENSE = re.compile(r"(?<![a-z-])(?:dense|dichtes?|denso|稠密|密な)(?![a-z])")
_NOT_DENSE = re.compile(r"(?:than|over|vs\.?|versus|against|to|or|equivalent|as|beats?|same|a|the) (?:an? |the )?(?:\w+ )?$")


@dataclass
class Filled:
    """Values found, and all that is known of how sure they are."""

    slots: list[Slot]
    measures: list[Measure]
    spotted: list[names.Name]
    place: Scene
    text: str
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    confidence: dict[str, float] = field(default_factory=dict[str, float])
    spans: list[tuple[int, int, str]] = field(default_factory=list[tuple[int, int, str]])
    notices: list[str] = field(default_factory=list[str])
    dropped_names: set[int] = field(default_factory=set[int])
    moe_named: bool = False
    moe_lost: bool = False
    dense_named: bool = False
    into: _into.Pair | None = None
    vague: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    told: dict[str, float | str | list[float]] = field(default_factory=dict[str, float | str | list[float]])

    def alternatives(self) -> Iterable[tuple[str, str]]:
        """(field, other field) where a quantity could nearly as well mean the other."""
        for slot in self.slots:
            if not slot.discounted and slot.runner_up[0] != "none" and slot.runner_up[1] > 0.3 and slot.runner_up[0] not in self.values:
                yield slot.field, slot.runner_up[0]

    @property
    def weights_weighed(self) -> bool:
        """Whether the bytes of weights alone are asked for: their format is then part of the question, not of a recipe."""
        return "weights" in self.text and bool(_BYTES.search(self.text)) and not _RECIPE.search(self.text)

    def finish(self, task: str) -> None:
        """Settle what depends on the task: which law an author means, whether a bit width is the target."""
        _laws(self, task)
        self._by_task(task)
        sizes = [slot.measure.value for slot in self.slots if slot.field == "params_total" and not slot.discounted]
        compute = [slot.measure.value for slot in self.slots if slot.field == "compute_flops"]
        adjust(self.values, task, self.text, sizes, compute)
        if task == "distill" and self.into:
            _into.settle(self.values, self.told, self.into)
        if task in _NO_BITS and not self.weights_weighed:
            self.values.pop("weight_bits", None)
        if task == "serve" and "duration_seconds" in self.values:
            self.values.pop("duration_seconds")
        if task == "explain":
            self.values.pop("concurrency", None)
        if task != "test_time":
            self.values.pop("samples", None)
            self.values.pop("pass_rate", None)
        for name, value in list(self.values.items()):
            if name in _INTEGER:
                self.values[name] = [_whole(v) for v in value] if isinstance(value, list) else _whole(value)

    def _by_task(self, task: str) -> None:
        """Numbers whose field only the task shows: the size of a vocabulary, the pool of tokens that may be repeated."""
        if task == "vocabulary" and "vocab_size" not in self.values:
            free = [m for m in self.measures if m.dim == "plain" and 1e3 <= m.value <= 2e6]
            used = {slot.measure.first for slot in self.slots if slot.field not in ("none", "tokens", "params_total")}
            sizes = [m.value for m in free if m.first not in used and not any(v == m.value for v in self.values.values())]
            if sizes:
                self.values["vocab_size"] = sizes[0] if len(sizes) == 1 else sizes
        if task == "design_experiments" and (target := next((m.whole for m in self.measures if m.dim == "flop" and m.whole), None)):
            self.values["compute_flops"] = target  # the share is what the experiments may cost, the whole what they are for
        lone = self.values.get("tokens")
        if task == "repeat_data" and "unique_tokens" not in self.values and isinstance(lone, float) and not _TRAINS.search(self.text):
            self.values["unique_tokens"] = self.values.pop("tokens")


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value


def fill(place: Scene, found: list[Measure], spotted: list[names.Name], text: str) -> Filled:
    """Fields of the question's quantities and names."""
    found = _with_memory([one for one in found if not _article(place, one)])
    inherit(place, found)
    _derive(place, found, text)
    take_shares(found, text)
    slots = assign(place, found)
    discount(place, slots, found)
    filled = Filled(slots, found, spotted, place, text)
    _leave_out(filled)
    _settle(filled)
    _accelerators(filled)
    _models(filled)
    _bits(filled)
    _samples(filled)
    _architecture(filled)
    _rates(filled)
    _ratio(filled)
    _experts_of(filled)
    _notices(filled)
    pair(filled.values, filled.slots)
    filled.into = _into.pair(text, slots, spotted)
    return filled


def _leave_out(filled: Filled) -> None:
    """Take back a set-up of the past, quantities and names together, where the question states another."""
    for start, end, fields in left_out(filled.text, filled.slots, filled.spotted):
        for slot in filled.slots:
            if start <= slot.measure.start < end and slot.field in fields:
                slot.discounted = True
        for name in filled.spotted:
            kind = {"accelerator": "accelerator", "unknown": "accelerator", "model": "params_total"}.get(name.kind)
            if start <= name.start < end and kind in fields:
                filled.dropped_names.add(name.start)


def _article(place: Scene, measure: Measure) -> bool:
    """Whether a bare one is an article ("ein", "un", "una") and counts nothing."""
    return (
        measure.dim == "plain"
        and measure.value == 1.0
        and measure.after - measure.first == 1
        and place.atoms[measure.first].text in _ARTICLES
    )


def _with_memory(found: list[Measure]) -> list[Measure]:
    """ "8 x 24 GB cards" holds a second quantity: the memory of one card."""
    extra = [replace(m, dim="bytes", value=m.memory, memory=None) for m in found if m.memory]
    return sorted([*found, *extra], key=lambda m: m.first)


def _derive(place: Scene, found: list[Measure], text: str) -> None:
    """Quantities whose dimension only their neighbours show: nodes times cards, "H100s at $2", "N = 7e9"."""
    per_node = next((m.value for m in found if m.dim == "per_node"), None)
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
    for number, measure in enumerate(found):
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
        elif measure.dim == "token_rate" and 0 < measure.value < 2000 and _each_user(place, measure):
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
    around = [atom.text for atom in (*place.atoms[max(0, measure.first - 4) : measure.first], *place.atoms[measure.after : measure.after + 2])]
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
    hardware = any(atom.entity and atom.entity[0] == "accelerator" for atom in before)
    return hardware or any(atom.text in ("hours", "gpus", "gpu", "hour", "stunden") for atom in before)


def _settle(filled: Filled) -> None:
    """One value a field, or a list when values stand side by side as a comparison."""
    fields: dict[str, list[Slot]] = {}
    for slot in filled.slots:
        before = filled.text[max(0, slot.measure.start - 8) : slot.measure.start]
        letter = _ASSIGNED.search(before)
        if letter and slot.measure.dim in ("plain", "params", "tokens", "flop") and slot.measure.value >= 1e4:
            slot.field, slot.score = _LETTER[letter["name"]], 2.0
        if slot.field == "compute_flops" and slot.measure.dim == "plain" and slot.measure.value < 1e12:
            continue
        if slot.field != "none" and not slot.discounted and not slot.measure.euro:
            fields.setdefault(slot.field, []).append(slot)
    _balance(filled, fields)
    _lone_size(filled, fields)
    if not _EXPERTS.search(filled.text):
        fields = {name: slots for name, slots in fields.items() if name not in ("n_experts", "experts_per_token")}
    for name, slots in fields.items():
        chosen = _choose(filled, slots)
        values = list(dict.fromkeys(slot.measure.value for slot in chosen))
        filled.values[name] = values[0] if len(values) == 1 else values
        filled.confidence[name] = min(slot.confidence for slot in chosen)
        filled.spans += [(slot.measure.start, slot.measure.end, name) for slot in chosen]


def _balance(filled: Filled, fields: dict[str, list[Slot]]) -> None:
    """Two bare sizes and no tokens: the larger, later one is the data ("7B on 140B")."""
    params = fields.get("params_total", [])
    loose = [slot for slot in params if slot.measure.dim == "plain" and slot.runner_up[0] == "tokens"]
    if "tokens" not in fields and len({slot.group for slot in params}) > 1 and loose:
        last = max(loose, key=lambda slot: (slot.measure.value, slot.measure.first))
        before = filled.place.atoms[last.measure.first - 1].text if last.measure.first else ""
        least = min(slot.measure.value for slot in params)
        if last.measure.value >= max(5 * least, 1e9) and least >= 1e6 and (before in _DATA_LEAD or last.measure.value >= 100 * least):
            group = [slot for slot in params if slot.group == last.group]
            fields["params_total"] = [slot for slot in params if slot.group != last.group]
            fields["tokens"] = group
            for slot in group:
                slot.field, slot.runner_up, slot.score = "tokens", ("params_total", slot.score - 0.1), slot.score


def _lone_size(filled: Filled, fields: dict[str, list[Slot]]) -> None:
    """A bare "on 6.7B" with nothing else that could be the model is the model, unless something was trained on it."""
    tokens = fields.get("tokens", [])
    if (
        "params_total" in fields
        or "params_active" in fields
        or len(tokens) != 1
        or tokens[0].measure.dim != "plain"
        or any(n.kind == "model" for n in filled.spotted)
    ):
        return
    before = filled.text[max(0, tokens[0].measure.start - 24) : tokens[0].measure.start]
    if tokens[0].measure.value <= 8e11 and not re.search(
        r"(?:train|see|saw|data|corpus|tok)\w*(?: \w+)? (?:on|over|with|for|after|through) (?:\w+ )?$", before
    ):
        fields["params_total"] = fields.pop("tokens")
        fields["params_total"][0].field = "params_total"


def _choose(filled: Filled, slots: list[Slot]) -> list[Slot]:
    if len(slots) == 1:
        return slots
    groups: dict[int, list[Slot]] = {}
    for slot in slots:
        groups.setdefault(slot.group, []).append(slot)
    best = max(
        groups.values(), key=lambda group: (round(max(s.score for s in group), 1), _asked(filled, group[0]), -group[0].measure.first)
    )
    if len(best) > 1:
        return best
    rivals = [slot for slot in slots if slot is not best[0] and _compared(filled, best[0], slot)]
    return sorted([best[0], *rivals], key=lambda slot: slot.measure.first)


def _asked(filled: Filled, slot: Slot) -> bool:
    """Whether a quantity stands in the part of a sentence that asks."""
    before = max(filled.text.rfind(mark, 0, slot.measure.start) for mark in (", ", ". ", "; ", "? ", "\n", ": "))
    stop = re.search(r"[.,;!?\n](?!\d)", filled.text[slot.measure.end :])
    part = filled.text[before + 1 : slot.measure.end + (stop.start() if stop else 10_000)]
    return bool(_WH.search(part))


def _compared(filled: Filled, one: Slot, two: Slot) -> bool:
    low, high = sorted((one.measure, two.measure), key=lambda m: m.first)
    words = {atom.text for atom in filled.place.atoms[low.after : high.first]}
    if high.first - low.after > 7 or words & {".", "?", "!", ";"}:
        return False
    if one.field == two.field and {"and", "at"} <= words and len(words) <= 3:
        return True
    return bool(
        words
        & {
            "beat",
            "beats",
            "outperform",
            "outperforms",
            "match",
            "vs",
            "versus",
            "or",
            "against",
            "oder",
            "ou",
            "o",
            "还是",
            "compared",
            "gegen",
            "contre",
            "than",
        }
    )


def _place_of(filled: Filled, name: names.Name) -> tuple[int, int]:
    at = next(i for i, atom in enumerate(filled.place.atoms) if atom.start == name.start and atom.entity)
    return at, at + 1


def _live(filled: Filled, kind: str) -> list[tuple[names.Name, int]]:
    """Names of a kind the text does not take back, with their places."""
    live: list[tuple[names.Name, int]] = []
    for name in filled.spotted:
        if name.kind == kind and name.start not in filled.dropped_names:
            first, after = _place_of(filled, name)
            holder = next((m for m in filled.measures if m.first <= first < m.after), None)
            low, high = (holder.first, holder.after) if holder else (first, after)
            if not taken_back(filled.place, low, high, filled.measures) and not _name_origin(filled, first):
                live.append((name, first))
    kept = [(n, p) for i, (n, p) in enumerate(live) if not any(corrected(filled.place, p + 1, q) for _, q in live[i + 1 : i + 2])]
    return kept


def _name_origin(filled: Filled, first: int) -> bool:
    before = filled.place.atoms[max(0, first - 1) : first]
    after = [atom.text for atom in filled.place.atoms[first + 1 : first + 4]]
    return bool(before) and before[-1].text == "from" and "to" in after


def _accelerators(filled: Filled) -> None:
    live = _live(filled, "accelerator")
    if not live:
        kept = [slot.measure.accelerator for slot in filled.slots if slot.measure.accelerator and not slot.discounted]
        if kept:
            filled.values["accelerator"] = kept[0]
        return
    ids = list(dict.fromkeys(name.id for name, _ in live))
    if len(ids) > 1:
        compared = [live[0][0].id]
        for (_, place), (name, where) in itertools.pairwise(live):
            words = {atom.text for atom in filled.place.atoms[place + 1 : where]}
            told = sum(min(m.after, where) - m.first for m in filled.measures if place < m.first < where)  # "H100 at $2.5/h or B200"
            if where - place - told <= 6 and words & {
                "vs",
                "versus",
                "or",
                "against",
                "oder",
                "ou",
                "o",
                "and",
                ",",
                "/",
                "还是",
                "und",
                "et",
                "y",
                "than",
                "か",
                "と",
                "compared",
            }:
                compared.append(name.id)
        if (
            len(ids) == 2
            and len(live) == 2
            and re.search(r"(?:faster|slower|cheaper|better|worse|quicker|more|less|longer) than|compared? (?:to|with)", filled.text)
        ):
            compared = ids
        counted = [
            m.accelerator
            for m in filled.measures
            if m.accelerator and m.dim == "acc" and any(s.measure is m and not s.discounted for s in filled.slots)
        ]
        ids = list(dict.fromkeys(compared)) if len(set(compared)) > 1 else (counted or ids)[:1]
    filled.values["accelerator"] = ids[0] if len(ids) == 1 else ids
    filled.confidence["accelerator"] = 0.97 if len(ids) == 1 else 0.85
    filled.spans += [(name.start, name.end, "accelerator") for name, _ in live if name.id in ids]


def _models(filled: Filled) -> None:
    live = _live(filled, "model")
    if live:
        filled.values["models"] = list(dict.fromkeys(name.id for name, _ in live))
        filled.spans += [(name.start, name.end, "models") for name, _ in live]
    tables = [name.text for name in filled.spotted if name.kind == "runs"]
    if tables:
        filled.values["runs"] = tables[0]


def _bits(filled: Filled) -> None:
    """Weight formats (int8, W4A16) next to stated bit widths, in reading order."""
    found = [(slot.measure.start, slot.measure.value) for slot in filled.slots if slot.field == "weight_bits" and not slot.discounted]
    for name, place in _live(filled, "bits"):
        ahead = filled.text[name.end : name.end + 12]
        if re.match(r" ?(?:->|→|to) ?(?:int|fp|nf|nvfp|mxfp|w|\d)", ahead):
            continue  # the format left behind
        around = " ".join(atom.text for atom in filled.place.atoms[place + 1 : place + 3])
        if not _TRAINING_FORMATS.search(around) and "mixed precision" not in filled.text[max(0, name.start - 30) : name.end + 20]:
            found.append((name.start, float(name.id)))
    values = list(dict.fromkeys(value for _, value in sorted(found)))
    if values:
        filled.values["weight_bits"] = values[0] if len(values) == 1 else values


def _samples(filled: Filled) -> None:
    counts = [float(m[1]) * (1000 if m[2] else 1) for m in _PASS_AT.finditer(filled.text)]
    counts = [count for count in dict.fromkeys(counts) if count > 1]
    if counts:
        filled.values["samples"] = counts[0] if len(counts) == 1 else counts
        filled.confidence["samples"] = 0.97


def _architecture(filled: Filled) -> None:
    moe, dense = _MOE.search(filled.text), _DENSE.search(filled.text)
    for name, match in (("moe", moe), ("dense", dense)):
        if match:
            first = next((i for i, atom in enumerate(filled.place.atoms) if atom.end > match.start()), 0)
            lost = (
                taken_back(filled.place, first, first + 1, filled.measures)
                or bool(re.match(r"[^?.]{0,12}\? ?(?:no|nope|nein|non)\b", filled.text[match.end() :]))
                or bool(_WITHOUT.search(filled.text, 0, match.start()))
            )
            if name == "moe":
                filled.moe_named, filled.moe_lost = not lost, lost
            else:
                filled.dense_named = not lost and not re.search(
                    r"\b(?:than|over|vs\.?|versus|against|or|to) (?:an? |the )?(?:\S+ )?$", filled.text[: match.start()]
                )
    if filled.dense_named and re.search(
        r"parscale|streams?\b|(?:what|which|equivalent|equal) dense|dense[ -](?:equivalent|counterpart)", filled.text
    ):
        filled.dense_named = False
    if filled.moe_named or filled.dense_named:
        filled.values["architecture"] = "moe" if filled.moe_named else "dense"


def _experts_of(filled: Filled) -> None:
    """ "8 of 256 experts"."""
    match = re.search(r"(\d+) (?:out )?of (?:the |our )?(\d+) (?:routed )?experts", filled.text)
    if match:
        filled.values["experts_per_token"], filled.values["n_experts"] = float(match[1]), float(match[2])


def _ratio(filled: Filled) -> None:
    """ "20:1 tokens to params"."""
    match = _RATIO.search(filled.text)
    if match and "tokens_per_param" not in filled.values:
        filled.values["tokens_per_param"] = float(match[1] or match[2])
        if filled.values.get("tokens") in (1.0, float(match[1] or match[2])):
            filled.values.pop("tokens")


def _rates(filled: Filled) -> None:
    """Tokens a day over years are tokens over the model's life."""
    rate = next((m for m in filled.measures if m.dim == "token_rate" and abs(_per(m, filled)) >= 3600), None)
    if rate is None:
        return
    filled.values.pop("inference_tokens_per_second", None)
    time = next((slot.measure for slot in filled.slots if slot.field == "duration_seconds" and slot.measure.first > rate.first), None)
    if time is not None:
        filled.values["inference_tokens"] = float(f"{rate.value * time.value:.12g}")
        filled.values.pop("duration_seconds", None)
    else:
        filled.values["inference_tokens_per_second"] = float(f"{rate.value:.12g}")


def _per(measure: Measure, filled: Filled) -> float:
    words = filled.text[measure.start : measure.end]
    return 1.0 if re.search(r"/ ?s\b|sec|秒|sekunde|seconde|segundo", words) else 86400.0


def _notices(filled: Filled) -> None:
    if any(measure.euro for measure in filled.measures):
        filled.notices.append("amounts in other currencies than US dollars are not converted; state the budget in dollars")
    for name, _ in _live(filled, "unknown"):
        near = names.nearest(name.id)
        hint = f"; nearest known: {', '.join(near)}" if near else ""
        filled.notices.append(f"{name.id.upper()} is no accelerator in the catalogue{hint}")
        # As stated, so that whoever needs the part refuses it by name.
        known = filled.values.setdefault("accelerator", name.id)
        if any(slot.measure.accelerator == name.id and not slot.discounted for slot in filled.slots):
            others = known if isinstance(known, list) else [known]
            filled.values["accelerator"] = known if name.id in others else [*others, name.id]


def _laws(filled: Filled, task: str) -> None:
    found: list[str] = []
    for kind_name, _ in sorted([*_live(filled, "law"), *_live(filled, "author")], key=lambda pair: pair[1]):
        law = kind_name.id if kind_name.kind == "law" else names.law_id(kind_name.text, task)
        if law:
            found.append(law)
            filled.spans.append((kind_name.start, kind_name.end, "laws"))
    laws = list(dict.fromkeys(found))
    if (
        "besiroglu2024" in laws
        and "hoffmann2022" in laws
        and re.search(r"(?:refit|replication|re-?fit|version|correction|re-?analysis) of (?:the )?(?:chinchilla|hoffmann)", filled.text)
    ):
        laws.remove("hoffmann2022")
    if laws:
        filled.values["laws"] = laws


__all__ = ["Filled", "fill", "joined"]
