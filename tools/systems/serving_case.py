"""A model on a machine under a load, as replicas whose time can be estimated: what is stated, and what is assumed where nothing is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from knowledge.hardware import Accelerator
from knowledge.shapes import ModelShape
from tools.systems.kv_cache import ServingShape, serving_shape
from tools.systems.serving_time import Replica

MAX_BATCH = 2048.0  # sequences one scheduler keeps in flight, at most (TensorRT-LLM's build default; vLLM's is lower)
PROMPT, OUTPUT = 512.0, 256.0  # tokens of a chat turn, where nothing is stated
RESERVE = 0.08  # of a device's memory kept for activations and buffers
_UNITS = 8  # devices one replica is spread over at most, unless stated: the usual node


@dataclass(frozen=True)
class Precision:
    """How weights and cache are kept and what the products run in. `stored_bits` counts scales of groups."""

    weight_bits: float = 16.0
    stored_bits: float = 16.0
    kv_bits: float = 16.0
    dtype: str = "bf16"

    @property
    def unpacked(self) -> bool:
        """Weights are widened before the product (weight-only quantization)."""
        return self.stored_bits < 15.5 and self.dtype in ("bf16", "fp16")


WEIGHTS_ONLY = (
    "Weights only: widened before 16-bit products, they take less memory and serve few users faster, "
    "but at full load, where the products bind, they cost as much as 16 bits."
)


def how_served(how: Precision) -> str:
    """In words, what runs at how many bits."""
    products = {"fp8": "8-bit products", "fp4": "4-bit products"}.get(how.dtype, "16-bit products")
    return f"weights only, {products}" if how.unpacked else f"{products}, {how.kv_bits:g}-bit cache"


def precision_for(weight_bits: float, part: Accelerator, *, label: str = "", kv_bits: float | None = None) -> Precision:
    """Precision of a bit width on a part: products in fp8 or fp4 where the part has the units and the label does not say weight-only."""
    weight_only = "int8" in label or "int4" in label or label.startswith("q")
    dtype = "bf16"
    if not weight_only and weight_bits <= 4.5 and "fp4" in part.peak_dense_flops:
        dtype = "fp4"
    elif not weight_only and 4.5 < weight_bits <= 8 and "fp8" in part.peak_dense_flops:
        dtype = "fp8"
    stored = weight_bits + 0.5 if weight_bits in (2, 3, 4) else weight_bits  # a 16-bit scale a group of 32, or 8 bits a group of 16
    return Precision(weight_bits, stored, kv_bits or (8.0 if dtype in ("fp8", "fp4") else 16.0), dtype)


@dataclass(frozen=True)
class Case:
    """One serving estimate: candidate replicas (the fastest is the layout), the load and the groups the efficiencies hang on."""

    replicas: tuple[Replica, ...]
    copies: tuple[float, ...]  # how many of each candidate the machine holds
    prompt: float
    output: float
    batch: float  # sequences in flight over the machine; nan: as many as memory allows
    tpot_limit: float  # s per token and user; inf where there is none
    deadline: bool  # latency must hold for nearly all requests as they arrive
    decode_only: bool  # the measured rate leaves the prompt out
    generation: str
    family: str
    regime: str
    part_id: str = ""
    assumptions: list[str] = field(default_factory=list[str])


def layouts(part: Accelerator, devices: float, view: ServingShape, *, across: bool = False) -> list[tuple[float, float]]:
    """(ranks, spread) a replica may have on `devices`: powers of two in the fast domain, for routed models also attention data parallel.

    `devices // ranks` copies run, what is left over idles; `across` lets a replica span nodes.
    """
    domain = devices if across else max(part.fast_domain_size, min(_UNITS, int(devices)))
    sizes = [r for r in (1, 2, 4, 8, 16, 32, 64, 72, 128) if r <= devices and r <= domain]
    tensor = [(float(r), 0.0) for r in sizes if across or r <= _UNITS] or [(float(devices), 0.0)]
    return tensor + ([(float(r), 1.0) for r in sizes if r > 1] if view.experts > 1 else [])


def replica(
    shape: ModelShape | ServingShape,
    part: Accelerator,
    how: Precision,
    ranks: float = 1.0,
    *,
    stages: float = 1.0,
    spread: float = 0.0,
    fraction: float = 1.0,
) -> Replica:
    """A replica on `ranks` x `stages` devices of a part; `fraction` is the part of a package one device is (a GCD is 0.5)."""
    view = shape if isinstance(shape, ServingShape) else serving_shape(shape)
    table_bits = max(how.stored_bits, 16.0) if how.stored_bits < 17 else how.stored_bits
    wide = part.peak("bf16")
    inside = part.intra_node_bytes_per_s if ranks <= max(part.fast_domain_size, 8) else max(part.inter_node_bytes_per_s, 1e9)
    return Replica(
        layers=view.layers,
        hidden=view.hidden,
        kv_heads=view.kv_heads,
        always_bytes=(view.always * how.stored_bits + view.head * table_bits) / 8,
        routed_bytes=view.routed * how.stored_bits / 8,
        stored_bytes=((view.always + view.routed) * how.stored_bits + view.tables * table_bits) / 8,
        experts=view.experts,
        chosen=view.chosen,
        active=view.active,
        head=view.head,
        cache_bytes=view.cache_values * how.kv_bits / 8,
        window_bytes=view.window_values * how.kv_bits / 8,
        window=view.window,
        attention=view.attention,
        ranks=ranks,
        stages=stages,
        spread=spread,
        peak=part.peak(how.dtype) * fraction,
        peak16=wide * fraction,
        bandwidth=part.memory_bandwidth_bytes_per_s * fraction,
        memory=part.memory_bytes * fraction,
        link=max(inside, 1e9) * fraction,
        narrow=float(how.dtype == "fp8"),
        narrower=float(how.dtype == "fp4"),
        unpacked=float(how.unpacked),
    )


def fits(one: Replica) -> bool:
    """Whether the weights and a little cache fit."""
    return bool(one.memory * one.ranks * one.stages * (1.0 - RESERVE) > 1.02 * one.stored_bytes)


def stack(replicas: Sequence[Replica]) -> Replica:
    """Many replicas as one of arrays."""
    return Replica(**{f.name: np.array([getattr(one, f.name) for one in replicas], dtype=float) for f in fields(Replica)})


def take(one: Replica, rows: np.ndarray) -> Replica:
    """Some rows of a replica of arrays."""
    return Replica(**{f.name: getattr(one, f.name)[rows] for f in fields(Replica)})


def flat(cases: Iterable[Case]) -> tuple[Replica, dict[str, np.ndarray], np.ndarray]:
    """All candidates of many cases as arrays: replicas, load columns, and the start of each case's candidates."""
    cases = list(cases)
    counts = [len(case.replicas) for case in cases]
    columns = {
        name: np.repeat(np.array([float(getattr(case, name)) for case in cases]), counts)
        for name in ("prompt", "output", "batch", "tpot_limit", "deadline", "decode_only")
    }
    columns["copies"] = np.array([copies for case in cases for copies in case.copies])
    return stack([one for case in cases for one in case.replicas]), columns, np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(int)
