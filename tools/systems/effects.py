"""Efficiencies as general values plus shrunken effects of groups, in logs: value = exp(general + vendor + generation + family).

A group without rows has no effect and falls back on the general value. Training (efficiency.py) and serving (serving_efficiency.py) differ
in what they estimate and in which groups count, not in how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Effects = Mapping[str, float]  # "name" -> general log value, "name@group" -> effect
Keys = Callable[[str, str, str], tuple[str, ...]]  # (name, generation, family) -> keys of the effects that apply
# generations that share what neither has rows enough for alone
PARENTS: dict[str, str] = {
    "volta": "nvidia",
    "ampere": "nvidia",
    "ada": "nvidia",
    "hopper": "nvidia",
    "blackwell": "nvidia",
    "cdna2": "amd",
    "cdna3": "amd",
    "cdna4": "amd",
    "tpu": "google",
    "tpu-v5e": "google",
    "tpu-v5p": "google",
    "tpu-v6e": "google",
}


def resolve(names: Iterable[str], keys: Keys, effects: Effects, generation: str, family: str) -> dict[str, float]:
    """Efficiencies of one generation and family; a generation that is its own vendor counts once."""
    return {name: float(np.exp(sum(effects.get(key, 0.0) for key in dict.fromkeys(keys(name, generation, family))))) for name in names}


def resolve_many(
    names: Sequence[str], keys: Keys, effects: Effects, generations: Sequence[str], families: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Efficiencies of many rows, one array a name."""
    pairs = sorted(set(zip(generations, families, strict=True)))
    index = {pair: i for i, pair in enumerate(pairs)}
    rows = np.array([index[pair] for pair in zip(generations, families, strict=True)])
    table = [resolve(names, keys, effects, *pair) for pair in pairs]
    return {name: np.array([entry[name] for entry in table])[rows] for name in names}
