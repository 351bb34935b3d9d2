"""Time against cost: every sensible number of devices and batch size for a run, and those that nothing beats on both.

A batch beyond the critical one costs tokens: needed tokens grow as 1 + 0.2 B / CBS, the definition of a critical batch with a
fifth of overhead
(Zhang et al. 2024, arXiv:2410.21676, section 2), so that loss stays that of small batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.hardware import Accelerator
from knowledge.library import LawBook
from knowledge.shapes import ModelShape
from tools.convert import DAY, HOUR
from tools.systems.batch import critical_batch_tokens
from tools.systems.flops import count_params
from tools.systems.layout import Layout
from tools.systems.mfu import estimate
from tools.systems.planning import cluster

_OVERHEAD = 0.2
BATCHES: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the critical batch


@dataclass(frozen=True)
class Plan:
    """One way to reach a loss: devices, batch, and what they take. Cost is in accelerator-hours, money follows by the price."""

    devices: float
    batch_tokens: float
    tokens: float  # overhead of the batch included
    days: float
    accelerator_hours: float
    layout: Layout


def plans(
    shape: ModelShape,
    part: Accelerator,
    tokens: float,
    seq: float,
    laws: LawBook,
    sizes: Sequence[float],
    batches: Sequence[float] = BATCHES,
) -> list[Plan]:
    """Every plan whose layout fits, for numbers of devices and batches given in critical batches. `tokens` is what small
    batches would need.
    """
    critical = critical_batch_tokens(tokens, laws)
    active = count_params(shape).active
    found: list[Plan] = []
    for devices in sizes:
        for share in batches:
            sequences = max(1.0, round(share * critical / seq))
            speed = estimate(shape, cluster(part.id, devices), seq, sequences)
            if speed is None:
                continue
            needed = tokens * (1.0 + _OVERHEAD * sequences * seq / critical)
            seconds = 6.0 * active * needed / (devices * part.peak("bf16") * speed.mfu)
            found.append(Plan(devices, sequences * seq, needed, seconds / DAY, devices * seconds / HOUR, speed.layout))
    return found


def frontier(found: Sequence[Plan]) -> list[Plan]:
    """Plans that no other plan beats on both time and accelerator-hours, fastest first."""
    kept: list[Plan] = []
    for plan in sorted(found, key=lambda item: (item.days, item.accelerator_hours)):
        if not kept or plan.accelerator_hours < kept[-1].accelerator_hours:
            kept.append(plan)
    return kept
