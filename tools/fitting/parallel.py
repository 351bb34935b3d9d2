"""Where independent pieces of a fit are computed: threads, processes (loky), a dask or a ray cluster. The pieces, and so the result, are the same."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, TypeVar

from knowledge.errors import InputError

T = TypeVar("T")
Backend = Literal["threading", "loky", "dask", "ray", "sequential"]
_NEEDS = {"dask": "distributed", "ray": "ray"}
_chosen: ContextVar[Backend] = ContextVar("backend", default="threading")


def shares_memory() -> bool:
    """Whether pieces are computed within this process, so that nothing has to be sent."""
    return _chosen.get() in ("threading", "sequential")


def spread(
    fn: Callable[..., T], pieces: Iterable[tuple[Any, ...]], n_workers: int, progress: Callable[[int], None] | None = None
) -> list[T]:
    """`fn(*piece)` of every piece, in order; `progress` hears the number of each piece that has ended, in order.

    Where memory is not shared, `fn` must be a function of a module and the pieces plain data.
    """
    backend = _chosen.get()
    if backend == "sequential" or n_workers == 1:
        return _collect((fn(*piece) for piece in pieces), progress)
    if backend == "threading":
        with ThreadPoolExecutor(n_workers) as pool:
            return _collect(pool.map(lambda piece: fn(*piece), pieces), progress)
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend=backend, n_jobs=n_workers):  # this, unlike Parallel itself, knows the backends of other packages
        return _collect(Parallel()(delayed(fn)(*piece) for piece in pieces), progress)


def _collect(results: Any, progress: Callable[[int], None] | None) -> list[Any]:
    out: list[Any] = []
    for number, result in enumerate(results):
        out.append(result)
        if progress is not None:
            progress(number)
    return out


@contextmanager
def computing_on(backend: Backend, address: str = "") -> Iterator[None]:
    """Compute pieces there while the block runs. `address` of a dask scheduler or ray head; without one, a cluster is started on this machine."""
    package = _NEEDS.get(backend)
    if package is not None:
        try:
            module = importlib.import_module(package)
        except ImportError:
            raise InputError("parallel_backend", f"{backend} needs the package {package}", f"pip install {package}") from None
        with _cluster(backend, module, address):
            yield from _set(backend)
    else:
        yield from _set(backend)


def _set(backend: Backend) -> Iterator[None]:
    token = _chosen.set(backend)
    try:
        yield
    finally:
        _chosen.reset(token)


@contextmanager
def _cluster(backend: Backend, module: Any, address: str) -> Iterator[None]:
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
