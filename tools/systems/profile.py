"""What measured rows of one cluster say beyond the general model: a Gaussian process over log(measured / predicted) step time.

Kernel: a constant all rows of the cluster share, a part shared by rows of one accelerator, framework and precision, and a part
that fades with
the distance between configurations (Rasmussen and Williams 2006, eq. 2.25-2.26). Scales are fixed; they were chosen with
configurations left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.errors import InputError
from tools.systems.rows import RowJob

# feature -> distance at which two configurations have grown apart by one unit, in log2 except shard and recompute
SCALES: dict[str, float] = {
    "params": 8.0,
    "seq": 6.0,
    "micro": 6.0,
    "per_rank": 12.0,
    "devices": 12.0,
    "tensor": 4.0,
    "pipeline": 4.0,
    "virtual": 4.0,
    "context": 4.0,
    "expert": 4.0,
    "hidden": 6.0,
    "shard": 4.0,
    "recompute": 4.0,
    "shard_group": 8.0,
}
SHARED_SD, KIND_SD, LOCAL_SD, NOISE_SD = 0.2, 0.1, 0.15, 0.04
KIND_WEIGHTS: tuple[float, float, float] = (1.0, 1.0, 0.5)  # of another precision, accelerator, framework
MEMORY_NOISE_SD = 0.08
PRIOR_VARIANCE = SHARED_SD**2 + KIND_SD**2 + LOCAL_SD**2 + NOISE_SD**2
_FORMAT = "flopwise-cluster-profile-1"

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Point:
    """A configuration: numbers on the axes of SCALES, and its kind (precision, accelerator, framework)."""

    numbers: tuple[float, ...]
    kind: tuple[str, str, str]


def point_of(row: RowJob, framework: str) -> Point:
    """The configuration of a row."""
    job = row.job
    per_rank = float(job.batch) / float(job.data)
    raw = {
        "params": job.params,
        "seq": job.seq,
        "micro": job.micro,
        "per_rank": per_rank,
        "devices": job.devices,
        "tensor": job.tensor,
        "pipeline": job.pipeline,
        "virtual": job.virtual,
        "context": job.context,
        "expert": job.expert,
        "hidden": job.hidden,
        "shard_group": job.shard_group,
    }
    numbers = [float(np.log2(max(float(raw[name]), 1e-3))) if name in raw else float(getattr(job, name)) for name in SCALES]
    return Point(tuple(round(value, 4) for value in numbers), (row.recipe, row.part.id, framework.strip().lower()))


@dataclass(frozen=True)
class Profile:
    """Residuals of one cluster. `name` says which; `note` when and from how many rows."""

    name: str
    points: tuple[Point, ...]
    residuals: tuple[float, ...]  # log(measured / predicted by the general model)
    note: str = ""
    memory: tuple[float | None, ...] = ()  # log(measured / predicted) peak memory, where it was measured
    spread: float = field(default=2.0)  # half-width of the 90% interval in posterior standard deviations, from rows left out

    @cached_property
    def _solved(self) -> tuple[Array, Array]:
        covariance = _kernel(self.points, self.points) + NOISE_SD**2 * np.eye(len(self.points))
        inverse = np.linalg.inv(covariance)
        return inverse, inverse @ np.array(self.residuals)

    def correct(self, point: Point) -> tuple[float, float]:
        """(mean, variance) of log(measured / predicted) at a configuration. Without rows: the prior."""
        if not self.points:
            return 0.0, PRIOR_VARIANCE
        inverse, weights = self._solved
        cross = _kernel((point,), self.points)[0]
        return float(cross @ weights), float(max(PRIOR_VARIANCE - cross @ inverse @ cross, NOISE_SD**2))

    def correct_memory(self, point: Point) -> float:
        """Mean of log(measured / predicted) peak memory at a configuration; 0 without measured peaks."""
        known = [i for i, value in enumerate(self.memory) if value is not None]
        if not known:
            return 0.0
        points = tuple(self.points[i] for i in known)
        covariance = _kernel(points, points) + MEMORY_NOISE_SD**2 * np.eye(len(points))
        values = np.array([self.memory[i] for i in known], dtype=float)
        return float(_kernel((point,), points)[0] @ np.linalg.solve(covariance, values))

    def usual_framework(self, part_id: str) -> str:
        """Framework most of the rows of a part ran on; of all rows when none is of that part."""
        named = [point.kind[2] for point in self.points if point.kind[1] == part_id] or [point.kind[2] for point in self.points]
        return max(sorted(set(named)), key=named.count) if named else ""

    def to_json(self) -> dict[str, Any]:
        """The profile as plain data."""
        rows = [
            [*point.numbers, *point.kind, round(residual, 5), None if memory is None else round(memory, 4)]
            for point, residual, memory in zip(self.points, self.residuals, self.memory or (None,) * len(self.points), strict=True)
        ]
        return {
            "format": _FORMAT,
            "name": self.name,
            "note": self.note,
            "spread": self.spread,
            "columns": [*SCALES, "precision", "accelerator", "framework", "residual", "memory_residual"],
            "rows": rows,
        }


def _kernel(first: Sequence[Point], second: Sequence[Point]) -> Array:
    scales = np.array(list(SCALES.values()))
    a, b = (np.array([point.numbers for point in side]) / scales for side in (first, second))
    apart = np.abs(a[:, None, :] - b[None, :, :]).sum(-1)
    kind = np.zeros(apart.shape)
    for position, weight in enumerate(KIND_WEIGHTS):
        names = [np.array([point.kind[position] for point in side]) for side in (first, second)]
        kind += weight * (names[0][:, None] != names[1][None, :])
    return SHARED_SD**2 + KIND_SD**2 * np.exp(-kind) + LOCAL_SD**2 * np.exp(-apart - kind)


def profile_from(data: Mapping[str, Any]) -> Profile:
    """A profile from plain data. Raises InputError when it is not one."""
    try:
        if data["format"] != _FORMAT:
            raise KeyError("format")
        size = len(SCALES)
        points = tuple(
            Point(tuple(float(value) for value in row[:size]), (str(row[size]), str(row[size + 1]), str(row[size + 2])))
            for row in data["rows"]
        )
        residuals = tuple(float(row[size + 3]) for row in data["rows"])
        memory = tuple(None if row[size + 4] is None else float(row[size + 4]) for row in data["rows"])
        if not np.isfinite([*residuals, *(value for point in points for value in point.numbers)]).all():
            raise ValueError("a value is not finite")
        return Profile(str(data["name"]), points, residuals, str(data.get("note", "")), memory, float(data.get("spread", 2.0)))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(
            "profile", f"not a cluster profile: {error}", "make one with `flopwise calibrate ROWS --out PROFILE.json`"
        ) from None


@lru_cache(1)
def _shipped() -> dict[str, Any]:
    source = files("knowledge") / "cluster_profiles.json"
    return json.loads(source.read_text(encoding="utf8"))


@lru_cache(128)
def shipped_profile(group: str) -> Profile | None:
    """The profile of a public cluster the calibration knows, by its source_group."""
    data = _shipped().get(group)
    return profile_from(data) if data else None
