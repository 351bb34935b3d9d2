"""Efficiencies of serving by generation of accelerator and family of software (tools/systems/effects.py)."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.systems import effects as effects_of
from tools.systems.effects import PARENTS, Effects
from tools.systems.parts import generation_of

# name -> (prior value, prior sd in logs, sd of effects of a vendor and a generation, sd of effects of a family)
PRIORS: dict[str, tuple[float, float, float, float]] = {
    "bandwidth": (0.8, 0.1, 0.15, 0.10),  # share of the memory bandwidth weights are read at
    "cache": (0.6, 0.4, 0.3, 0.3),  # share of the memory bandwidth the cache is read at
    "compute": (0.5, 0.4, 0.3, 0.2),  # share of the peak in decode
    "prefill": (0.5, 0.3, 0.3, 0.2),  # share of the peak in prefill
    "unpack": (0.7, 0.3, 0.0, 0.2),  # bandwidth left when weights are widened on the fly
    "narrow": (0.75, 0.2, 0.15, 0.0),  # 8-bit products against their peak, relative to 16-bit
    "narrower": (0.7, 0.2, 0.0, 0.0),  # 4-bit relative to 8-bit
    "grouped": (0.6, 0.4, 0.0, 0.2),  # expert products relative to dense ones
    "scatter": (0.8, 0.3, 0.15, 0.0),  # bandwidth experts are read at, each by few tokens, relative to dense weights
    "launch": (3.0e-5, 0.7, 0.3, 0.6),  # s per layer and step
    "routing": (2.0, 0.5, 0.0, 0.3),  # launch of an expert layer relative to a dense one
    "host": (1.0e-3, 0.8, 0.4, 0.7),  # s per step
    "sequence": (2.0e-5, 0.9, 0.4, 0.7),  # s per sequence and step
    "reduce": (1.0e-5, 0.7, 0.4, 0.5),  # s per all-reduce and doubling of ranks
    "link": (0.5, 0.5, 0.3, 0.3),  # share of the link rate
    "deadline": (0.85, 0.2, 0.0, 0.0),  # throughput kept under a latency limit that arrivals must meet
}
_FAMILIES: tuple[tuple[str, str], ...] = (
    (r"tensorrt|trt|nim\b|fastertransformer", "tensorrt-llm"),
    (r"mii", "deepspeed-mii"),
    (r"deepspeed|habana", "deepspeed"),
    (r"llama\.?cpp|gguf|ollama", "llama.cpp"),
    (r"neuron", "neuron"),
    (r"gpt-fast|torch\.compile", "torch-compile"),
    (r"sglang", "vllm-2025"),
    (r"vllm|llmboost", "vllm"),
)


def serving_family(framework: str) -> str:
    """Family of serving frameworks. vLLM from 0.6 on (multi-step scheduling, then the V1 engine) is apart from what came before."""
    name = framework.lower()
    family = next((family for pattern, family in _FAMILIES if re.search(pattern, name)), "other")
    version = re.search(r"vllm[ -]*v?(\d+)\.(\d+)", name)
    recent = version is not None and (int(version[1]), int(version[2])) >= (0, 6)
    return "vllm-2025" if family == "vllm" and (recent or "llmboost" in name) else family


def effect_keys(name: str, generation: str, family: str) -> tuple[str, ...]:
    """The effects that apply to one efficiency of a generation and a family."""
    parent = PARENTS.get(generation, generation)
    return name, f"{name}@{parent}", f"{name}@{generation}", f"{name}@{family}", f"{name}@{parent}+{family}"


def resolve(effects: Effects, generation: str, family: str) -> dict[str, float]:
    """Efficiencies of one generation and family."""
    return effects_of.resolve(PRIORS, effect_keys, effects, generation, family)


def resolve_many(effects: Effects, generations: Sequence[str], families: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Efficiencies of many rows, one array a name."""
    return effects_of.resolve_many(list(PRIORS), effect_keys, effects, generations, families)


@functools.cache
def calibration() -> Mapping[str, Any]:
    """The shipped calibration: effects and residual quantiles, with its rows and date."""
    from knowledge.library import parse_yaml

    return parse_yaml((files("knowledge") / "serving_calibration.yaml").read_text(encoding="utf8"))


@functools.lru_cache(256)
def efficiencies(part_id: str, family: str) -> dict[str, float]:
    """Shipped efficiencies of an accelerator and a family."""
    return resolve(calibration()["effects"], generation_of(part_id), family)
