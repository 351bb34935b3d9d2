"""The one seam for work spread over processes: the answer depends on the seed alone, never on how many workers there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from knowledge.errors import InputError

Item = TypeVar("Item")
Out = TypeVar("Out")
BACKENDS = ("serial", "loky", "threading", "dask", "ray")


def map_seeded(
    fn: Callable[[Item, np.random.Generator], Out], items: Sequence[Item], seed: int, backend: str = "loky", workers: int | None = None
) -> list[Out]:
    """`[fn(item, rng)]` in order, each item with its own generator spawned from `seed`.

    `backend` is a joblib backend (loky by default; dask and ray run on a cluster that was set up) or "serial". Raises
    InputError for an unknown backend or when joblib is missing.
    """
    if backend not in BACKENDS:
        raise InputError("backend", f"unknown backend {backend!r}", f"one of {', '.join(BACKENDS)}")
    seeds = np.random.SeedSequence(seed).spawn(len(items))
    if backend == "serial" or len(items) < 2 or workers == 1:
        return [_call(fn, item, child) for item, child in zip(items, seeds, strict=True)]
    try:
        import joblib  # pyright: ignore
    except ImportError:
        raise InputError(
            "backend", f"{backend} needs joblib, which is not installed", "pip install joblib, or use backend serial"
        ) from None
    _register(backend)
    tasks = (joblib.delayed(_call)(fn, item, child) for item, child in zip(items, seeds, strict=True))
    found: list[Any] = list(joblib.Parallel(n_jobs=workers or -1, backend=backend)(tasks))
    return found


def _call(fn: Callable[[Any, np.random.Generator], Any], item: Any, child: np.random.SeedSequence) -> Any:
    return fn(item, np.random.default_rng(child))


def _register(backend: str) -> None:
    """Backends of other packages make themselves known to joblib when asked."""
    if backend == "ray":
        try:
            from ray.util.joblib import register_ray  # pyright: ignore
        except ImportError:
            raise InputError("backend", "ray is not installed", "pip install ray") from None
        register_ray()
    elif backend == "dask":
        try:
            import distributed  # pyright: ignore  # noqa: F401
        except ImportError:
            raise InputError("backend", "dask is not installed", "pip install dask distributed") from None
