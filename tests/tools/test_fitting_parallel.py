"""A fit is the same wherever its pieces are computed."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

from knowledge.errors import InputError
from tools.fitting import parallel
from tools.fitting.fitted import fit_runs
from tools.fitting.parallel import Backend, computing_on
from tools.fitting.runs import RunTable, read_runs
from tools.fitting.spec import fit_form


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> RunTable:
    rng = np.random.default_rng(0)
    lines = ["params,tokens,loss"]
    lines += [
        f"{n},{d},{(1.7 + 400 / n**0.34 + 410 / d**0.28) * np.exp(rng.normal(0, 0.002))}"
        for n in np.geomspace(1e7, 1e10, 30)
        for d in np.geomspace(1e9, 1e12, 30)
    ]
    path: Path = tmp_path_factory.mktemp("parallel") / "runs.csv"
    path.write_text("\n".join(lines))
    return read_runs(path)


@pytest.mark.parametrize("backend", ["threading", "loky", "dask", "ray"])
def test_the_same_draws_on_every_backend(table: RunTable, backend: Backend) -> None:
    package = {"dask": "distributed", "ray": "ray"}.get(backend)
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    alone_progress: list[int] = []
    progress: list[int] = []
    with computing_on("sequential"):
        alone = fit_runs(table, fit_form("chinchilla"), n_bootstrap=300, n_workers=2, progress=alone_progress.append)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the clusters' own code
        with computing_on(backend):
            there = fit_runs(table, fit_form("chinchilla"), n_bootstrap=300, n_workers=2, progress=progress.append)
    assert len(progress) > 1, "the fit was too small to be spread"
    assert progress == alone_progress
    assert there.params == alone.params
    assert alone.spread is not None
    assert there.spread is not None
    np.testing.assert_array_equal(there.spread.theta, alone.spread.theta)


def test_a_missing_cluster_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parallel._NEEDS, "ray", "no_such_package")
    with pytest.raises(InputError, match="pip install no_such_package"), computing_on("ray"):
        pass
