"""Slot filling: each quantity gets the field its unit allows and the words near it ask for; corrections and comparisons are settled."""

from __future__ import annotations

import functools
import itertools
import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.understand._lexicon import Language, read
from agent.understand._text import Atom
from agent.understand.quantities import Measure

_STOPS = frozenset(".?!;\n()")
_SENTENCE_STOPS = frozenset(".?!;\n")
_WINDOW, _LONGEST = 7, 12  # atoms between a cue and its quantity, and in a cue
_JOIN = frozenset({
    "or", "vs", "versus", "and", "oder", "ou", "o", "/", ",", "against", "und", "et", "y", "e", "还是",
    "-", "&", "to", "gegen", "contre", "contra", "compared", "v", ".", "than", "和", "か", "と", "bis", "à", "a",
})  # fmt: skip
_LEFT_ONLY = frozenset({"label", "data_prep", "data_weak", "from", "article", "at_level"})
_CLOSE = frozenset({"label", "data_prep", "data_weak", "article", "at_level"})
_FILLERS = frozenset(
    [
        "about",
        "roughly",
        "approximately",
        "~",
        "around",
        "only",
        "just",
        "some",
        "nearly",
        "almost",
        "exactly",
        "-",
        "=",
        ":",
        "of",
        "is",
        "de",
        "von",
        "d",
        "'",
        "etwa",
        "rund",
        "environ",
        "unos",
        "unas",
        "circa",
        "≈",
        "say",
        "maybe",
        "perhaps",
        "or",
        "so",
        "total",
        "another",
        "at",
        "least",
        "most",
        "up",
        "to",
        "over",
        "go",
        "goes",
        "grow",
        "grows",
        "from",
    ]
)
_LONE = frozenset({",", ".", ";", "/", "+", "and", "&", "out", "?", ")", "-", "und", "et", "y"})
# Between a head noun and a number these start a phrase of their own: the batch "for 1B" is no batch of a billion.
_BARRIERS = frozenset(
    {"for", "on", "after", "over", "with", "when", "if", "für", "auf", "mit", "pour", "sur", "avec", "para", "con", "does", "at"}
)
# "from", but as often "of": an origin only beside a word for change.
_OF = frozenset({"von", "de"})
# More than this and the field is not meant, whatever words are near.
_CEILING = {
    "vocab_size": 5e6,
    "batch_tokens": 2e9,
    "sequence_length": 1e8,
    "input_tokens": 1e8,
    "output_tokens": 1e8,
    "concurrency": 1e7,
    "experts_per_token": 1e4,
    "n_experts": 1e6,
}
# "may not exceed $250k" states a limit and takes nothing back.
_LIMITS = frozenset(
    {"exceed", "exceeding", "pass", "cross", "over", "above", "beyond", "than", "surpass", "top", "überschreiten", "dépasser", "superar"}
)
_HEADS = ("batch", "sequence", "vocab", "input", "output", "inference")
_LED = frozenset({"input_tokens", "output_tokens", "concurrency", "sequence_length"})
_BUT = frozenset({"but", "sondern", "mais", "sino", "而是"})
_CORRECTS = 9  # atoms at most between what is corrected and its correction
_STRONG_JOIN = frozenset({"or", "vs", "versus", "oder", "ou", "o", "against", "gegen", "contre", "contra", "v", "compared"})


@dataclass(frozen=True, slots=True)
class Cue:
    """A word or phrase that says what a nearby quantity is."""

    name: str
    first: int
    after: int


@dataclass(slots=True)
class Slot:
    """A quantity with its field, how sure that is (0..1) and whether the text takes it back (past, negated, corrected)."""

    measure: Measure
    field: str
    score: float
    runner_up: tuple[str, float]
    discounted: bool = False
    group: int = 0

    @property
    def confidence(self) -> float:
        """How far the chosen field is ahead of the next."""
        return round(min(0.99, max(0.05, 0.5 + 0.5 * (self.score - self.runner_up[1]) / max(self.score, 0.5))), 2)


@dataclass(slots=True)
class Scene:
    """The text as the slot filler sees it: atoms, cues, clause of each atom."""

    atoms: list[Atom]
    cues: list[Cue]
    clause: list[int]
    sentence: list[int]
    hits: dict[str, list[Cue]] = field(default_factory=dict[str, list[Cue]])


@functools.cache
def _fields() -> dict[str, dict[str, tuple[float, dict[str, float]]]]:
    dims = read("fields")["dims"]
    return {
        dim: {name: (float(spec["prior"]), {cue: float(w) for cue, w in spec["cues"].items()}) for name, spec in fields.items()}
        for dim, fields in dims.items()
    }


def scene(lang: Language, text: list[Atom]) -> Scene:
    """Cues of the text and its clauses."""
    cues = [Cue(cue, place, end) for place in range(len(text)) for end, cue in lang.cues.all_at(text, place)]
    hits: dict[str, list[Cue]] = {}
    for cue in cues:
        hits.setdefault(cue.name, []).append(cue)
    starts = {cue.first for name in ("present", "restart") for cue in hits.get(name, [])}
    clause, sentence, number, outer = [], [], 0, 0
    for place, atom in enumerate(text):
        number += place in starts or atom.text in _STOPS
        outer += place in starts or atom.text in _SENTENCE_STOPS
        clause.append(number)
        sentence.append(outer)
    return Scene(text, cues, clause, sentence, hits)


def _kind(measure: Measure) -> str:
    if measure.dim != "plain":
        return {"user_tokens": "tokens"}.get(measure.dim, measure.dim)
    size = abs(measure.value)  # a size below zero is a size all the same, to be refused by its field
    if size >= 1e15 and not measure.scaled:
        return "flop"
    if size >= 1e6 or (measure.scaled and size >= 2.1e5):
        return "big"
    return "tiny" if 0 < measure.value < 20 and (not measure.value.is_integer() or measure.decimal) else "small"


def _distance(place: Scene, measure: Measure, cue: Cue, others: frozenset[int]) -> float:
    """Weight 0..1.3 of a cue for a measure: nearer is more, across a clause or another quantity much less. `others`: where quantities start."""
    if measure.first <= cue.first < measure.after:
        return 1.3 if cue.first in measure.inner else (0.9 if measure.dim == "params" else 0.0)
    right = cue.first >= measure.after
    if right and cue.name in _LEFT_ONLY:
        return 0.0
    if cue.name == "thing" and not right and place.atoms[cue.after].text not in (":", "="):
        return 0.0  # "64 samples of an 8B": what is counted stands behind its number
    if cue.name == "fresh" and place.atoms[cue.first].text == "new" and not (right and cue.first == measure.after and _closes(place, cue)):
        return 0.0  # "as good as 300B new?", but not "a new 13B"
    if right and cue.name == "sequence" and place.atoms[cue.first].text == "sequences" and not measure.scaled:
        return 0.0  # "64 sequences": a count of them, no length
    if cue.name in ("input", "output") and measure.value > 1e7:
        return 0.0
    if place.atoms[cue.first].text in ("in", "out") and cue.after - cue.first == 1 and not _stands_alone(place, measure, cue, right):
        return 0.0
    low, high = (measure.after, cue.first) if right else (cue.after, measure.first)
    gap = high - low
    if gap < 0 or gap > _WINDOW:
        return 0.0
    between = place.atoms[low:high]
    words = sum(atom.text not in _FILLERS for atom in between)
    if cue.name in _CLOSE and words:
        return 0.0
    weight = 1.0 / (1.0 + (0.5 if _kind(measure) == "big" else 0.22) * words)
    if place.clause[min(cue.first, len(place.clause) - 1)] != place.clause[measure.first] and not any(a.text in "()" for a in between):
        weight *= 0.35
    if any(atom.text in _BARRIERS for atom in between):
        weight *= 0.35
    if any(atom.text in (",", "/", "and", "with", "+", "und", "et", "y") for atom in between):
        weight *= 0.55
    if any(place_between in others for place_between in range(low, high)):
        weight *= 0.3
    return weight


def _closes(place: Scene, cue: Cue) -> bool:
    after = place.atoms[cue.after] if cue.after < len(place.atoms) else None
    return after is None or after.kind == "symbol" or after.text in ("ones", "tokens", "data", "text", "for", "on", "with", "in")


def _stands_alone(place: Scene, measure: Measure, cue: Cue, right: bool) -> bool:
    """Whether "in" or "out" is the head of "2k in, 500 out" and no preposition."""
    if right and cue.first != measure.after:
        return False
    if not right:
        return measure.first == cue.after and place.atoms[cue.first].text == "out"
    after = place.atoms[cue.after] if cue.after < len(place.atoms) else None
    if right and place.atoms[cue.first].text == "out":
        return after is None or after.text != "of"
    return after is None or after.kind == "number" or after.text in _LONE


def _near(place: Scene, measure: Measure) -> dict[str, list[Cue]]:
    """Cues by name that can reach a measure."""
    low, high = max(0, measure.first - _WINDOW - _LONGEST), measure.after + _WINDOW + 1
    near: dict[str, list[Cue]] = {}
    for cue in place.cues[bisect_left(place.cues, low, key=_first) : bisect_left(place.cues, high, key=_first)]:
        near.setdefault(cue.name, []).append(cue)
    return near


def _first(cue: Cue) -> int:
    return cue.first


def _candidates(place: Scene, measures: list[Measure]) -> Iterable[tuple[float, int, bool, int, str, Cue | None]]:
    """(score, measure number, cue is left, cue place, field, cue) of all pairings."""
    table = _fields()
    starts = frozenset(measure.first for measure in measures)
    for number, measure in enumerate(measures):
        near = _near(place, measure)
        others = starts - {measure.first}
        for name, (prior, cues) in table.get(_kind(measure), {}).items():
            for cue_name, weight in cues.items():
                for cue in near.get(cue_name, ()):
                    if cue_name == "label" and any(one.first <= cue.first < one.after for one in measures):
                        continue
                    distance = _distance(place, measure, cue, others)
                    if distance > 0.05:
                        yield weight * distance, number, cue.first < measure.first, cue.first, name, cue
            if prior:
                yield prior, number, False, 0, name, None


def _exclusive(cue: Cue) -> bool:
    return cue.name not in (
        "data_prep",
        "training",
        "memory",
        "loss",
        "total",
        "lr",
        "observed_loss",
        "target_loss",
        "article",
        "data_weak",
        "unique",
        "at_level",
    )


def assign(place: Scene, measures: list[Measure]) -> list[Slot]:
    """A field for every measure that has one; a cue serves the quantity nearest to it."""
    scores: list[dict[str, float]] = [{} for _ in measures]
    priors = [{name: prior for name, (prior, _) in _fields().get(_kind(m), {}).items()} for m in measures]
    taken: dict[tuple[str, int], int] = {}
    groups = groups_of(place, measures)
    candidates = [c for c in _candidates(place, measures) if c[5]]
    # Words before their numbers ("input 2k output 500") or behind them ("2k in, 500 out"): as the first of them stands, so do the others.
    named = sorted((number, not left) for _, number, left, _, name, _ in candidates if name in _LED)
    led = bool(named) and not named[0][1]
    pairs = sorted(candidates, key=lambda c: (-round(c[0], 3), c[2] != (led and c[4] in _LED), c[3]))
    for score, number, _, _, name, cue in pairs:
        assert cue is not None
        owner = taken.setdefault((cue.name, cue.first), number) if _exclusive(cue) else number
        if owner != number and groups[owner] != groups[number]:
            continue
        best = scores[number]
        # Two different cues for one field add up (a "target" and a "loss"); the same field hardly gains from the same cue twice.
        best[name] = best[name] + 0.35 * score if name in best else score
    slots: list[Slot] = []
    for number, measure in enumerate(measures):
        total = {name: prior + scores[number].get(name, 0.0) + _by_value(measure, name) for name, prior in priors[number].items()}
        ranked = sorted(total.items(), key=lambda item: -item[1])
        if ranked and ranked[0][1] > 0.3:
            runner = ranked[1] if len(ranked) > 1 else ("none", 0.0)
            slots.append(Slot(measure, ranked[0][0], ranked[0][1], runner, group=groups[number]))
    _share(place, slots)
    return slots


def _share(place: Scene, slots: list[Slot]) -> None:
    """Two bare numbers compared with each other have one field: that of the surer ("vocab 32k vs 256k", "64k context against 4k")."""
    beside = {(id(one), id(two)) for one, two in itertools.pairwise(slots) if one.group == two.group}
    for one, two in reversed(list(itertools.pairwise(slots))):
        between = {atom.text for atom in place.atoms[one.measure.after : two.measure.first]}
        listed = between == {","} and (id(one), id(two)) in beside and not _named_apart(place, one.measure, two.measure)
        near = two.measure.first - one.measure.after <= 4 and (listed or not between & {".", "?", ";", ","})
        if (
            one.measure.dim == two.measure.dim == "tokens"
            and one.group == two.group
            and two.field == "tokens"
            and one.field in ("batch_tokens", "sequence_length", "input_tokens", "output_tokens")
            and two.measure.value < 200 * one.measure.value
        ):
            two.field = one.field  # "a batch of 2M or 4M tokens"
        alike = one.measure.dim == two.measure.dim == "plain" and one.measure.scaled == two.measure.scaled
        if (
            near
            and alike
            and (listed or between & (_STRONG_JOIN | {"than"}))
            and one.field != two.field
            and 1 / 200 < one.measure.value / max(two.measure.value, 1e-9) < 200
        ):
            best = max((one, two), key=lambda slot: slot.score if slot.field != "none" else 0.0)
            if best.field not in ("none", "tokens", "params_total"):
                one.field = two.field = best.field
                one.group = two.group = best.group


def _by_value(measure: Measure, name: str) -> float:
    """What the size of a number alone says: a bare trillion is tokens, a bare few billion is a model."""
    value, kind = measure.value, _kind(measure)
    if value > _CEILING.get(name, math.inf):
        return -9.0
    if kind == "big":
        if name == "tokens":
            return 0.75 if value >= 2.5e12 else 0.45 if value >= 9e11 else 0.0
        return -0.3 if name == "params_total" and value >= 9e11 else 0.0
    if kind == "tokens" and value <= 2e5 and name == "tokens":
        return -0.6
    if kind == "nats":
        return 0.0 if 0.3 < value < 20 else -9.0
    if kind == "tiny":
        if name in ("mfu", "pass_rate") and value > 1:
            return -3.0
        if name in ("target_loss", "observed_loss") and not 0.3 < value < 15:
            return -3.0
    return 0.0


def groups_of(place: Scene, measures: list[Measure]) -> list[int]:
    """Group numbers: measures listed side by side ("7B, 13B or 70B") share one."""
    groups = list(range(len(measures)))
    for number in range(1, len(measures)):
        if (
            joined(place, measures[number - 1], measures[number])
            and not _size_and_data(place, measures[number - 1], measures[number])
            and _kind(measures[number - 1]) == _kind(measures[number])
            and not _named_apart(place, measures[number - 1], measures[number])
        ):
            groups[number] = groups[number - 1]
    return groups


def _named_apart(place: Scene, one: Measure, two: Measure) -> bool:
    """ "200B tokens / 1M token batch": the second of two amounts between weak marks has a head noun of its own."""
    between = {atom.text for atom in place.atoms[one.after : two.first]}
    behind = any(cue.first == two.after for name in (*_HEADS, "concurrency", "samples") for cue in place.hits.get(name, ()))
    return between <= {"/", ",", "-", "&"} and behind


def _size_and_data(place: Scene, one: Measure, two: Measure) -> bool:
    """ "3B/300B" and "7B, 2T" are a size and its data, not two sizes."""
    bare = one.dim == two.dim == "plain" and two.value >= 8 * one.value and 2e10 <= two.value < 1e15
    if bare and place.atoms[one.after].text == "and" and two.first - one.after == 1 and two.value >= 15 * one.value:
        behind = place.atoms[two.after].text if two.after < len(place.atoms) else ""
        return behind not in ("model", "models", "params", "parameters", "one", "ones") and not any(
            atom.text in ("compare", "between", "both") for atom in place.atoms
        )
    return bare and place.atoms[one.after].text in ("/", ",", "@") and two.first - one.after == 1


def joined(place: Scene, one: Measure, two: Measure) -> bool:
    """Whether only list words stand between two measures."""
    between = [atom.text for atom in place.atoms[one.after : two.first]]
    return 0 < len(between) <= 3 and all(word in _JOIN for word in between) and between != ["."]


def inherit(place: Scene, measures: list[Measure]) -> None:
    """Give "7" of "7 or 13B" and "3" of "3 or 4 bits" the scale and unit of what follows."""
    for one, two in reversed(list(itertools.pairwise(measures))):
        between = {atom.text for atom in place.atoms[one.after : two.first]}
        bare = one.dim == "plain" and not one.scaled and one.value < 1e4 and not _led(place, one)
        swapped = [a.text for a in place.atoms[one.after : two.first]] in (
            ["instead", "of"],
            ["rather", "than"],
            ["not"],
            [",", "not"],
            ["statt"],
        )
        if bare and swapped and two.dim in ("acc", "bits", "plain") and (two.dim != "plain" or two.scaled):
            _take_unit(one, two, place.atoms)
        if one.dim == "plain" and one.scaled and two.dim in ("tokens", "params") and joined(place, one, two) and two.value < 15 * one.value:
            one.dim = two.dim if between & _STRONG_JOIN or _chained(place, one, measures) else one.dim
        if (
            bare
            and joined(place, one, two)
            and (two.dim != "plain" or two.scaled)
            and two.dim in ("plain", "bits", "acc", "bytes", "tokens", "params", "time")
        ):
            if two.dim == "acc" and (one.value < 1 or not one.value.is_integer() or not between & (_STRONG_JOIN | {"to", "-"})):
                continue
            if (
                between & (_JOIN - {",", "/"})
                or two.dim == "bits"
                or (two.value >= 1e6 and two.dim == "plain" and one.value < 1000 and _listed(place, two, measures))
            ):
                _take_unit(one, two, place.atoms)


def _led(place: Scene, measure: Measure) -> bool:
    """Whether a noun right before a number says what it counts ("batch 1, 4-bit")."""
    return any(cue.after == measure.first for name in ("batch", "concurrency", "samples") for cue in place.hits.get(name, ()))


def _listed(place: Scene, measure: Measure, measures: list[Measure]) -> bool:
    """Whether a list goes on behind a measure with "or" or "and" ("7, 13 or 70B")."""
    later = [other for other in measures if other.first >= measure.after]
    if not later:
        return False
    return bool({"or", "and", "vs", "oder", "und", "ou", "et"} & {a.text for a in place.atoms[measure.after : later[0].first]}) and joined(
        place, measure, later[0]
    )


def _chained(place: Scene, measure: Measure, measures: list[Measure]) -> bool:
    """Whether another bare amount stands before this one in the same list ("1M, 10M and 100M tokens")."""
    earlier = [other for other in measures if other.after <= measure.first]
    if earlier and earlier[-1].dim == "plain" and earlier[-1].scaled and joined(place, earlier[-1], measure):
        return True
    later = [other for other in measures if other.first >= measure.after]
    return (
        bool(later)
        and later[0].dim in ("tokens", "params")
        and place.atoms[measure.after].text == ","
        and len(later) > 1
        and later[1].dim == later[0].dim
        and joined(place, later[0], later[1])
    )


def _take_unit(one: Measure, two: Measure, text: list[Atom]) -> None:
    literal = next((atom.value for atom in text[two.first : two.after] if atom.kind == "number" and atom.value), None)
    if literal and two.dim not in ("acc",):
        one.value = float(f"{one.value * two.value / literal:.15g}")
    one.dim, one.scaled, one.accelerator = two.dim, two.scaled, two.accelerator


def discount(place: Scene, slots: list[Slot], measures: list[Measure]) -> None:
    """Mark quantities the text takes back: the past, the ignored, the negated, the origin of a change, the corrected."""
    for slot in slots:
        measure = slot.measure
        slot.discounted = taken_back(place, measure.first, measure.after, measures)
    for one, two in itertools.pairwise(slots):
        # "batch from 4M to 1M": the target is of the kind of its origin.
        if (
            one.discounted
            and one.measure.dim == two.measure.dim == "plain"
            and one.score > two.score
            and one.field != "none"
            and _origin(place, one.measure.first, one.measure.after, measures)
        ):
            two.field = one.field
        if (
            one.discounted
            and one.field == "batch_tokens"
            and two.measure.dim == "tokens"
            and two.measure.value < 1e9
            and _origin(place, one.measure.first, one.measure.after, measures)
        ):
            two.field = one.field  # "batch from 1M to 4M tokens"
        # "not 64 gpus, 32": the bare number is what was meant instead.
        if (
            one.discounted
            and two.measure.dim == "plain"
            and two.field == "none"
            and one.field in ("n_accelerators", "concurrency", "samples", "n_experts", "weight_bits")
            and {atom.text for atom in place.atoms[one.measure.after : two.measure.first]}
            <= {",", "but", "sondern", "mais", "sino", "rather"}
        ):
            two.field, two.score = one.field, one.score
        # "2T tokens last time, now 500B": the bare number is of the kind just replaced.
        if (
            one.discounted
            and not two.discounted
            and two.measure.dim == "plain"
            and two.field in ("params_total", "tokens")
            and one.measure.dim in ("tokens", "params")
            and (two.measure.after >= len(place.atoms) or place.atoms[two.measure.after].text in ",.;?!")
        ):
            two.field, two.measure.dim = one.field, one.measure.dim
    for number, one in enumerate(slots):
        reach = one.measure.after + _CORRECTS
        for two in itertools.islice(slots, number + 1, None):
            if two.measure.first > reach:
                break
            if one.field == two.field and corrected(place, one.measure.after, two.measure.first):
                one.discounted = True


def taken_back(place: Scene, first: int, after: int, measures: list[Measure]) -> bool:
    """Whether a stretch of atoms is past, ignored, negated or the origin of a change."""
    sentence = place.sentence[first]
    for name in ("past", "ignore"):
        if any(place.sentence[cue.first] == sentence and not first <= cue.first < after for cue in place.hits.get(name, ())):
            return True
    for cue in place.hits.get("skip", ()):
        gap = place.atoms[cue.after : first]
        if cue.after <= first and len(gap) <= 5 and not any(atom.text in ",.;:?!" or atom.text in _LIMITS for atom in gap):
            return True
    for cue in place.hits.get("negate", ()):
        gap = place.atoms[cue.after : first]
        if (
            cue.after <= first
            and len(gap) <= 2
            and not any(cue.after <= m.first < first for m in measures)
            and all(a.text not in ",.;:?!" and a.text not in _BUT and a.entity is None for a in gap)
            and place.atoms[cue.first].text not in ("no", "never", "without")
            and not any(atom.text in _LIMITS for atom in gap)
        ):
            return True
    return _origin(place, first, after, measures)


def _origin(place: Scene, first: int, after: int, measures: list[Measure]) -> bool:
    """A "from X" with a "to Y" behind it."""
    starts = [
        cue
        for cue in place.hits.get("from", ())
        if cue.after <= first <= cue.after + 2 and not any(m.first <= cue.first < m.after for m in measures)
    ]
    if not starts or any(starts[-1].after <= m.first < first for m in measures):
        return False
    if place.atoms[starts[-1].first].text in _OF and not any(
        place.sentence[cue.first] == place.sentence[first] for cue in place.hits.get("change", ())
    ):
        return False
    targets = [cue.after for cue in place.hits.get("to", ()) if after <= cue.first <= after + 3]
    own = next((m for m in measures if m.first == first), None)
    alike = {"big": "data", "tokens": "data", "params": "data", "small": "small", "tiny": "small"}
    kind = alike.get(_kind(own), _kind(own)) if own else None
    holders = {m.first for m in measures if own and alike.get(_kind(m), _kind(m)) == kind} | {
        i for i, atom in enumerate(place.atoms) if atom.entity and not own
    }
    return any(at + skip in holders for at in targets for skip in (0, 1))


def corrected(place: Scene, low: int, high: int) -> bool:
    """Whether a correction ("no wait", "I mean", "make that") stands between two places of one sentence or the next."""
    if high - low > _CORRECTS:
        return False
    strong = [cue for cue in place.hits.get("correction", ()) if low <= cue.first < high]
    return any(
        place.atoms[cue.first].text not in ("no", "well", "wait", "mais", "doch", "edit") or place.atoms[cue.first - 1].text in ",.-("
        for cue in strong
    )
