"""Search for the best way to cut a training step over a cluster: every candidate is priced at once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.shapes import ModelShape
from tools.systems.efficiency import calibration, efficiencies
from tools.systems.flops import flops_per_token
from tools.systems.job import Job
from tools.systems.memory import PARTS, training_memory
from tools.systems.planning import Cluster, training_job
from tools.systems.step_time import components

LAYOUT_FIELDS: tuple[str, ...] = ("tensor", "pipeline", "context", "data", "expert", "virtual", "shard", "recompute", "micro")
RECOMPUTE_NAMES: dict[float, str] = {0.0: "none", 1.0: "selective", 2.0: "full"}
USABLE = 0.97  # share of a device's memory a plan may fill


@dataclass(frozen=True)
class Layout:
    """One way to cut a step, with its predicted time and memory."""

    tensor: int
    pipeline: int
    context: int
    data: int
    expert: int
    virtual: int
    shard: int
    recompute: str
    micro: int
    step_seconds: float
    memory_bytes: float
    parts: Mapping[str, float]
    seconds: Mapping[str, float]
    mfu: float

    @property
    def devices(self) -> int:
        """Devices used."""
        return self.tensor * self.pipeline * self.context * self.data

    def describe(self) -> str:
        """The layout in the field's shorthand."""
        cut = {"tp": self.tensor, "pp": self.pipeline, "cp": self.context, "dp": self.data, "ep": self.expert}
        words = [f"{name} {size}" for name, size in cut.items() if size > 1 or name == "dp"]
        words += [f"interleaved x{self.virtual}"] * (self.virtual > 1) + [f"ZeRO-{self.shard}"] * (self.shard > 0 and self.data > 1)
        return ", ".join([*words, f"micro-batch {self.micro}", f"recompute {self.recompute}"])


@dataclass(frozen=True)
class Search:
    """Layouts that fit, fastest first, and the one nearest to fitting when none does."""

    fitting: tuple[Layout, ...]
    nearest: Layout | None
    candidates: int

    @property
    def best(self) -> Layout | None:
        """The fastest layout that fits."""
        return self.fitting[0] if self.fitting else None


def search(
    shape: ModelShape,
    on: Cluster,
    seq: float,
    batch: float,
    *,
    optimizer: str = "adamw",
    keep: int = 5,
    fixed: Mapping[str, float] | None = None,
    memory_bytes: float | None = None,
) -> Search:
    """The `keep` fastest layouts of a step of `batch` sequences that fit in memory; `fixed` pins fields of LAYOUT_FIELDS."""
    table = candidates(shape, on, seq, batch, fixed or {})
    if table["tensor"].size == 0:
        return Search((), None, 0)
    job = training_job(shape, on, seq, batch, table, optimizer)
    needs = training_memory(job, calibration()["memory"])
    seconds = components(job, efficiencies(on.generation, on.family))
    total = np.broadcast_to(seconds["total"], table["tensor"].shape)
    need = np.broadcast_to(needs["total"], total.shape)
    limit = USABLE * (memory_bytes or float(job.memory))
    fits = np.flatnonzero(need <= limit)
    flops = flops_per_token(shape, seq).model * batch * seq / (float(job.devices) * float(job.peak16))

    def layout(i: int) -> Layout:
        return _layout(table, i, needs, seconds, flops)

    order = fits[np.argsort(total[fits], kind="stable")]
    picked = _distinct(table, order, keep)
    return Search(tuple(layout(i) for i in picked), layout(int(np.argmin(need))), int(total.size))


def _distinct(table: Mapping[str, NDArray[np.float64]], order: NDArray[np.intp], keep: int) -> list[int]:
    """The first `keep` that differ in how devices are cut: runner-ups that change only the micro-batch teach nothing."""
    seen: set[tuple[float, ...]] = set()
    picked: list[int] = []
    for i in order:
        key = tuple(float(table[name][i]) for name in ("tensor", "pipeline", "context", "expert", "shard"))
        if key not in seen:
            seen.add(key)
            picked.append(int(i))
        if len(picked) == keep:
            break
    return picked


def _layout(table: Mapping[str, NDArray[np.float64]], i: int, needs: Mapping[str, Any], seconds: Mapping[str, Any], flops: float) -> Layout:
    def at(values: Any) -> float:
        return float(np.broadcast_to(values, table["tensor"].shape)[i])

    whole = {name: int(table[name][i]) for name in LAYOUT_FIELDS if name != "recompute"}
    step = at(seconds["total"])
    return Layout(
        **whole,
        recompute=RECOMPUTE_NAMES[float(table["recompute"][i])],
        step_seconds=step,
        memory_bytes=at(needs["total"]),
        parts={name: at(needs[name]) for name in PARTS},
        seconds={name: at(value) for name, value in seconds.items()},
        mfu=flops / step,
    )


def candidates(shape: ModelShape, on: Cluster, seq: float, batch: float, fixed: Mapping[str, float]) -> dict[str, NDArray[np.float64]]:
    """Every layout worth pricing, one array a field. Divisibility rules: heads by tp, devices by tp pp cp, experts by ep, no
    more data ranks than sequences.
    """
    fields = on.fields()
    devices, domain = int(fields["devices"]), int(fields["domain"])
    xla = on.family == "xla"
    rows: list[tuple[float, ...]] = []
    for tensor, pipeline, context in itertools.product(
        _tensor_sizes(shape, devices, domain, xla), _pipeline_sizes(shape, devices, xla), _context_sizes(seq, devices)
    ):
        if any(name in fixed and fixed[name] != size for name, size in (("tensor", tensor), ("pipeline", pipeline), ("context", context))):
            continue
        if devices % (tensor * pipeline * context):
            continue
        data = devices // (tensor * pipeline * context)
        if data > batch or ("data" in fixed and fixed["data"] != data):
            continue
        per_rank = batch / data
        rows += [
            (tensor, pipeline, context, data, expert, virtual, shard, recompute, micro)
            for expert, virtual, shard, recompute, micro in itertools.product(
                _expert_sizes(shape, data * context, tensor),
                _virtual_sizes(shape, pipeline),
                (1, 3) if pipeline == 1 else (1,),
                (0, 1, 2),
                (1, 2, 4, 8, 16),
            )
            if micro <= per_rank and recompute != 1
        ]
    table = np.array(rows, dtype=float).reshape(-1, len(LAYOUT_FIELDS))
    for name in ("expert", "virtual", "shard", "recompute", "micro"):
        if name in fixed:
            table = table[table[:, LAYOUT_FIELDS.index(name)] == fixed[name]]
    return {name: table[:, i] for i, name in enumerate(LAYOUT_FIELDS)}


def _tensor_sizes(shape: ModelShape, devices: int, domain: int, xla: bool) -> Sequence[int]:
    top = min(devices, 16 if xla else min(domain, 16))
    return [t for t in (1, 2, 4, 8, 16) if t <= top and shape.heads % t == 0 and devices % t == 0] or [1]


def _pipeline_sizes(shape: ModelShape, devices: int, xla: bool) -> Sequence[int]:
    if xla:
        return [1]
    return [p for p in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 24, 32, 40, 48, 64) if p <= shape.layers and devices % p == 0]


def _context_sizes(seq: float, devices: int) -> Sequence[int]:
    return [c for c in (1, 2, 4, 8, 16, 32) if c == 1 or (seq / c >= 4096 and devices % c == 0)]


def _expert_sizes(shape: ModelShape, ranks: int, tensor: int) -> Sequence[int]:
    if not shape.n_experts:
        return [1]
    return [x for x in (1, 2, 4, 8, 16, 32, 64) if shape.n_experts % x == 0 and x <= ranks * tensor] or [1]


def _virtual_sizes(shape: ModelShape, pipeline: int) -> Sequence[int]:
    if pipeline == 1:
        return [1]
    return [v for v in (1, 2, 4, 8) if v * pipeline <= shape.layers]


def as_job(shape: ModelShape, on: Cluster, seq: float, batch: float, layout: Layout, optimizer: str = "adamw") -> Job:
    """The job of a layout, for other estimates."""
    cut = {name: float(getattr(layout, name)) for name in LAYOUT_FIELDS if name != "recompute"}
    cut["recompute"] = {name: code for code, name in RECOMPUTE_NAMES.items()}[layout.recompute]
    return training_job(shape, on, seq, batch, cut, optimizer)
