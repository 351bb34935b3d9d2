"""Training efficiencies of a generation of accelerators and a family of frameworks (tools/systems/effects.py)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.systems import effects as effects_of
from tools.systems.effects import PARENTS, Effects

# name -> (prior value, prior sd in logs, sd of generation effects, sd of family effects); sd 0 means none
PRIORS: dict[str, tuple[float, float, float, float]] = {
    "matmul": (0.72, 0.10, 0.12, 0.10),  # share of the dense peak a large product reaches
    "traffic": (0.6, 0.5, 0.0, 0.0),  # weight of a product's bytes
    "fp8": (0.75, 0.15, 0.15, 0.10),  # 8-bit efficiency relative to 16-bit
    "fp4": (0.6, 0.2, 0.0, 0.0),
    "attention": (0.45, 0.25, 0.20, 0.15),  # FlashAttention share of the 16-bit peak
    "early_flash": (0.6, 0.2, 0.0, 0.0),  # first FlashAttention against the second: 25-40% of peak against 50-73% (Dao 2023, section 1)
    "generic_flash": (0.65, 0.2, 0.0, 0.0),  # FlashAttention-2 on H100 reaches 35% of peak, kernels of its own 55-75% (Shah et al. 2024)
    "elementwise": (1.0, 0.4, 0.0, 0.35),  # bytes of memory-bound operations relative to the fused ideal
    "cast": (1.2, 0.2, 0.0, 0.0),
    "misaligned": (0.15, 0.6, 0.0, 0.0),
    "grouped": (0.75, 0.3, 0.0, 0.0),
    "launch": (1.5e-4, 0.6, 0.0, 0.4),  # s of host work per layer and pass
    "launch_routed": (4.0, 0.5, 0.0, 0.0),  # further host work of a routed layer, in layers
    "link_in": (0.7, 0.3, 0.2, 0.0),
    "link_out": (0.7, 0.15, 0.1, 0.0),
    "tensor_exposed": (0.8, 0.4, 0.0, 0.3),
    "expert_exposed": (0.8, 0.4, 0.0, 0.0),
    "pipeline_exposed": (0.5, 0.5, 0.0, 0.0),
    "overlap_window": (0.7, 0.3, 0.0, 0.3),
    "data_exposed": (0.15, 0.5, 0.0, 0.4),
    "ring_latency": (1.0e-5, 0.8, 0.0, 0.0),
    "optimizer": (1.0, 0.3, 0.0, 0.0),
    "straggle": (0.008, 0.6, 0.0, 0.0),
    "fixed": (0.01, 0.7, 0.0, 0.0),  # s per step
}


def effect_keys(name: str, generation: str, family: str) -> tuple[str, ...]:
    """The effects that apply to one efficiency of a generation and a family."""
    return name, f"{name}@{PARENTS.get(generation, generation)}", f"{name}@{generation}", f"{name}@{family}"


def resolve(effects: Effects, generation: str, family: str) -> dict[str, float]:
    """Efficiencies of one generation and family."""
    return effects_of.resolve(PRIORS, effect_keys, effects, generation, family)


def resolve_many(effects: Effects, generations: Sequence[str], families: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Efficiencies of many rows, one array a name."""
    return effects_of.resolve_many(list(PRIORS), effect_keys, effects, generations, families)


@functools.cache
def calibration() -> Mapping[str, Any]:
    """The shipped calibration: effects, intervals, memory margins, with its date, rows and residuals."""
    from knowledge.library import parse_yaml

    return parse_yaml((files("knowledge") / "calibration.yaml").read_text(encoding="utf8"))


@functools.lru_cache(256)
def efficiencies(generation: str, family: str) -> dict[str, float]:
    """Shipped efficiencies of a generation and a family."""
    return resolve(calibration()["effects"], generation, family)


def memory_interval() -> tuple[float, float]:
    """Central 90% interval of log(measured / predicted) peak memory on clusters never seen."""
    low, high = calibration()["memory_interval"]
    return float(low), float(high)


def interval(group: str) -> tuple[float, float]:
    """Central 90% interval of log(measured / predicted) step time for a cluster never seen: the group's, else the general one."""
    table = calibration()["interval"]
    low, high = table.get(group, table["general"])
    return float(low), float(high)
