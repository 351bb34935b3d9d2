"""The names a message keeps: accelerators, models, weight formats, architectures, laws."""

from __future__ import annotations

import itertools
import re

from agent.understand import names
from agent.understand._filled import Filled
from agent.understand.slots import corrected, taken_back

_TRAINING_FORMATS = re.compile(
    r"(?:gradients?|grads?|master|optimi[sz]er|adam\w*|activations?|accumulat\w+|mixed precision|momentum|states?)"
)
_MOE = re.compile(r"\b(?:moes?|mixtures?[ -]of[ -]experts|混合专家)\b|(?<![a-z])moe(?![a-z])|混合专家")
_WITHOUT = re.compile(
    r"\b(?:no|without|not|non|never|excluding|ohne|kein\w*|sans|pas de|sin|nada de)[ -](?:an?y? |the |use |using |going |un |eine?n? )*$|不用$|不要$"
)
_DENSE = re.compile(r"(?<![a-z-])(?:dense|dichtes?|denso|稠密|密な)(?![a-z])")


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


def accelerators(filled: Filled) -> None:
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


def known_models(filled: Filled) -> None:
    live = _live(filled, "model")
    if live:
        filled.values["models"] = list(dict.fromkeys(name.id for name, _ in live))
        filled.spans += [(name.start, name.end, "models") for name, _ in live]
    tables = [name.text for name in filled.spotted if name.kind == "runs"]
    if tables:
        filled.values["runs"] = tables[0]


def weight_bits(filled: Filled) -> None:
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


def architecture(filled: Filled) -> None:
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


def notices_of_names(filled: Filled) -> None:
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


def laws_kept(filled: Filled) -> list[names.Name]:
    """Laws and authors named and not taken back."""
    return [name for kind in ("law", "author") for name, _ in _live(filled, kind)]


def laws(filled: Filled, task: str) -> None:
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


__all__ = ["accelerators", "architecture", "known_models", "laws", "laws_kept", "notices_of_names", "weight_bits"]
