"""Where independent pieces of a fit, a forecast, a sweep or a check are computed: threads, processes (loky), a dask or a ray cluster.

The pieces, and so the result, are the same everywhere.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from knowledge.errors import InputError

T = TypeVar("T")
Backend = Literal["threading", "loky", "dask", "ray", "sequential"]
START_SECONDS = 5.0  # of work: below it, starting processes costs more than they save
_NEEDS = {"dask": "distributed", "ray": "ray"}


@dataclass
class _Place:
    """A backend, and what is to be closed when its block ends. A cluster is started by the first pieces that need it."""

    backend: Backend
    address: str = ""
    open: ExitStack = field(default_factory=ExitStack)
    started: bool = False

    def start(self) -> None:
        if self.backend in _NEEDS and not self.started:
            self.started = True
            self.open.enter_context(_cluster(self.backend, self.address))


_chosen: ContextVar[_Place] = ContextVar("place", default=_Place("threading"))  # noqa: B039 - never changed: it needs no start


def shares_memory() -> bool:
    """Whether pieces are computed within this process, so that nothing has to be sent."""
    return _chosen.get().backend in ("threading", "sequential")


def workers() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def spread(
    fn: Callable[..., T],
    pieces: Iterable[tuple[Any, ...]],
    n_workers: int,
    progress: Callable[[int], None] | None = None,
    *,
    seconds: float = float("inf"),
) -> list[T]:
    """`fn(*piece)` of every piece, in order; `progress` hears the number of each piece that has ended, in order.

    Where memory is not shared, `fn` must be a function of a module and the pieces plain data. `seconds`: what all pieces take together, by
    estimate; little work stays within this process.
    """
    place = _chosen.get()
    backend = place.backend
    if backend != "sequential" and seconds < START_SECONDS:
        backend = "threading"
    if backend == "sequential" or n_workers == 1:
        return _collect((fn(*piece) for piece in pieces), progress)
    if backend == "threading":
        with ThreadPoolExecutor(n_workers) as pool:
            return _collect(pool.map(lambda piece: fn(*piece), pieces), progress)
    place.start()
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend=backend, n_jobs=n_workers):  # this, unlike Parallel itself, knows the backends of other packages
        return _collect(Parallel()(delayed(fn)(*piece) for piece in pieces), progress)


def _collect(results: Any, progress: Callable[[int], None] | None) -> list[Any]:
    out: list[Any] = []
    try:
        for number, result in enumerate(results):
            out.append(result)
            if progress is not None:
                progress(number)
    finally:
        if not isinstance(results, list):
            results.close()  # where `progress` has stopped the work, what has not begun is not begun any more
    return out


@contextmanager
def computing_on(backend: Backend, address: str = "") -> Iterator[None]:
    """Compute pieces there while the block runs. `address` of a dask scheduler or ray head; without one, a cluster is started on this machine."""
    package = _NEEDS.get(backend)
    try:
        importlib.import_module(package or "os")
    except ImportError:
        raise InputError("parallel_backend", f"{backend} needs the package {package}", f"pip install {package}") from None
    place = _Place(backend, address)
    token = _chosen.set(place)
    try:
        with place.open:
            yield
    finally:
        _chosen.reset(token)


@contextmanager
def _cluster(backend: Backend, address: str) -> Iterator[None]:
    module = importlib.import_module(_NEEDS[backend])
    if backend == "dask":
        with module.Client(address or None, set_as_default=True, **({} if address else {"dashboard_address": None})):
            yield
        return
    importlib.import_module("ray.util.joblib").register_ray()
    mine = not module.is_initialized()
    if mine:
        module.init(address=address or None, include_dashboard=False, log_to_driver=False)
    try:
        yield
    finally:
        if mine:
            module.shutdown()
