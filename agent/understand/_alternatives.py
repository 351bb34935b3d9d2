"""Set-ups stated side by side ("64 A100 at $1.5/h or 32 H100 at $3/h"): lists of their parts, in order and of one length, for the planner to pair."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agent.understand.slots import Slot

_BUNDLE = ("n_accelerators", "price_per_accelerator_hour_usd", "accelerator_hours", "duration_seconds")


def pair(values: dict[str, Any], slots: Iterable[Slot]) -> None:
    """Where two or more counts each name their own accelerator and the counts are compared, hold every part once a set-up, in place."""
    live = [slot for slot in slots if not slot.discounted]
    counted = [slot for slot in live if slot.field == "n_accelerators" and slot.measure.accelerator]
    parts = [str(slot.measure.accelerator) for slot in counted]
    compared = isinstance(values.get("n_accelerators"), list) or isinstance(values.get("accelerator"), list)
    if not compared or len(set(parts)) < 2 or len([slot for slot in live if slot.field == "n_accelerators"]) != len(counted):
        return
    values["accelerator"] = parts
    for name in _BUNDLE:
        amounts = [slot.measure.value for slot in sorted(live, key=lambda slot: slot.measure.first) if slot.field == name]
        if name in values and len(amounts) == len(parts):
            values[name] = amounts if len(set(amounts)) > 1 else amounts[0]


__all__ = ["pair"]
