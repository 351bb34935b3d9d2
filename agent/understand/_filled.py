"""What is found in a message: fields, slots, names, and how sure they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agent.understand import _into, names
from agent.understand.quantities import Measure
from agent.understand.slots import Scene, Slot

_BYTES = re.compile(r"\b(?:gb|gib|gigabytes?|bytes|memory|vram)\b")
_RECIPE = re.compile(r"optimi[sz]er|\badam|gradients?\b|\bgrads\b|activations|\btrain|fine-?tun")


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


__all__ = ["Filled"]
