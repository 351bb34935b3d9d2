"""From slots and names to the fields of a brief."""

from __future__ import annotations

import re

from agent.understand import _into, names
from agent.understand._adjust import adjust
from agent.understand._alternatives import pair
from agent.understand._derive import derive, is_article, is_date, with_memory
from agent.understand._earlier import left_out
from agent.understand._filled import Filled
from agent.understand._named import accelerators, architecture, known_models, laws, notices_of_names, weight_bits
from agent.understand._settle import settle
from agent.understand._shares import take_shares
from agent.understand.quantities import Measure
from agent.understand.slots import Scene, assign, discount, inherit

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
_SAMPLED = re.compile(r"\bsampl(?:e|ed|ing) (?:\w+ )?(\d+) times|\b(\d+) times (?:sampled|sampling)")
_IN_WORDS = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "eight": 8,
    "ten": 10,
    "twelve": 12,
    "twenty": 20,
    "a hundred": 100,
}
_ONE_IN = re.compile(rf"\b(one|two|three|[1-3]) (?:in|out of|of) (?:every )?({'|'.join(_IN_WORDS)}|\d{{1,4}})\b(?! ?(?:b|m|k)\b)")
_PART_OF = re.compile(
    r"\b(half|a third|a quarter|a fifth|a tenth) of (?:the |all |our |its )?(?:problems|tasks|questions|time|attempts|tries|exercises)"
)
_PARTS = {"half": 0.5, "a third": 1 / 3, "a quarter": 0.25, "a fifth": 0.2, "a tenth": 0.1}
_RATIO = re.compile(
    r"(\d+(?:\.\d+)?) ?(?::|to) ?1\b(?=[^.?!]{0,12}(?:tok|data|d/n|ratio|params))"
    r"|(?:tok\w*|data|d)[ /:-]*(?:to|per|/|:)?[ /:-]*(?:param\w*|n)?[ -]ratio (?:of |is |= ?)?(\d+(?:\.\d+)?)"
)
_TRAINS = re.compile(
    r"(?:train\w*|run\w*|total|reach|budget of|needs?|target\w*) (?:\S+ ){0,4}?\S*\d\S* ?(?:b|t|billion|trillion)? tokens|epochs? to"
)
_PRETRAINED = re.compile(r"pre-?train\w*|vortrain\w*|vortraining|pré-?entraîn\w*|preentren\w*|预训练|事前学習")
_NO_BITS = frozenset(
    {"memory", "wall_clock", "cost", "predict_loss", "hyperparameters", "batch_size", "lr_schedule", "finetune", "vocabulary"}
)


def finish(filled: Filled, task: str) -> None:
    """Settle what depends on the task: which law an author means, whether a bit width is the target."""
    laws(filled, task)
    _by_task(filled, task)
    sizes = [slot.measure.value for slot in filled.slots if slot.field == "params_total" and not slot.discounted]
    compute = [slot.measure.value for slot in filled.slots if slot.field == "compute_flops"]
    adjust(filled.values, task, filled.text, sizes, compute)
    if task == "distill" and filled.into:
        _into.settle(filled.values, filled.told, filled.into)
    if task in _NO_BITS and not filled.weights_weighed:
        filled.values.pop("weight_bits", None)
    if task == "finetune" and len(tuned := _of_tuning(filled)) == 1:
        filled.values["tokens"] = tuned[0]
    if task == "serve" and "duration_seconds" in filled.values:
        filled.values.pop("duration_seconds")
    if task == "explain":
        filled.values.pop("concurrency", None)
        filled.values.pop("tokens_per_param", None)  # "why 20 tokens per parameter": the name of the rule
    if task == "test_time" and "pass_rate" not in filled.values:
        _rate_in_words(filled)
    if task != "test_time":
        filled.values.pop("samples", None)
        filled.values.pop("pass_rate", None)
    for name, value in list(filled.values.items()):
        if name in _INTEGER:
            filled.values[name] = [_whole(v) for v in value] if isinstance(value, list) else _whole(value)


def _of_tuning(filled: Filled) -> list[float]:
    """The token amounts of a message that are no pretraining, where it states both."""
    stated = [slot for slot in filled.slots if slot.field == "tokens" and not slot.discounted]
    before = [slot for slot in stated if _PRETRAINED.search(filled.text, max(0, slot.measure.start - 28), slot.measure.end + 22)]
    return [slot.measure.value for slot in stated if slot not in before] if before else []


def _by_task(filled: Filled, task: str) -> None:
    """Numbers whose field only the task shows: the size of a vocabulary, the pool of tokens that may be repeated."""
    if task == "vocabulary" and "vocab_size" not in filled.values:
        free = [m for m in filled.measures if m.dim == "plain" and 1e3 <= m.value <= 2e6]
        used = {slot.measure.first for slot in filled.slots if slot.field not in ("none", "tokens", "params_total")}
        sizes = [m.value for m in free if m.first not in used and not any(v == m.value for v in filled.values.values())]
        if sizes:
            filled.values["vocab_size"] = sizes[0] if len(sizes) == 1 else sizes
    if task == "design_experiments" and (target := next((m.whole for m in filled.measures if m.dim == "flop" and m.whole), None)):
        filled.values["compute_flops"] = target  # the share is what the experiments may cost, the whole what they are for
    lone = filled.values.get("tokens")
    if task == "repeat_data" and "unique_tokens" not in filled.values and isinstance(lone, float) and not _TRAINS.search(filled.text):
        filled.values["unique_tokens"] = filled.values.pop("tokens")


def _whole(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def fill(place: Scene, found: list[Measure], spotted: list[names.Name], text: str) -> Filled:
    """Fields of the question's quantities and names."""
    found = with_memory([one for one in found if not is_article(place, one) and not is_date(place, one)])
    inherit(place, found)
    derive(place, found, text)
    take_shares(found, text)
    slots = assign(place, found)
    discount(place, slots, found)
    filled = Filled(slots, found, spotted, place, text)
    _leave_out(filled)
    settle(filled)
    accelerators(filled)
    known_models(filled)
    weight_bits(filled)
    _samples(filled)
    architecture(filled)
    _rates(filled)
    _ratio(filled)
    _experts_of(filled)
    notices_of_names(filled)
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


def _samples(filled: Filled) -> None:
    counts = [float(m[1]) * (1000 if m[2] else 1) for m in _PASS_AT.finditer(filled.text)]
    counts += [float(m[1] or m[2]) for m in _SAMPLED.finditer(filled.text)]
    counts = [count for count in dict.fromkeys(counts) if count > 1]
    if counts:
        filled.values["samples"] = counts[0] if len(counts) == 1 else counts
        filled.confidence["samples"] = 0.97


def _rate_in_words(filled: Filled) -> None:
    """ "one in five", "a quarter of the problems"."""
    one, part = _ONE_IN.search(filled.text), _PART_OF.search(filled.text)
    if one:
        few, many = (float(_IN_WORDS.get(word, 0) or word) for word in one.groups())
        if 0 < few < many:
            filled.values["pass_rate"] = float(f"{few / many:.12g}")
            if filled.values.get("samples") in (few, many):
                del filled.values["samples"]
    elif part:
        filled.values["pass_rate"] = _PARTS[part[1]]


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


__all__ = ["Filled", "fill", "finish"]
