"""Sweeps, checks and forecasts are the same wherever their pieces are computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from server.plans import Plans
from server.settings import Settings
from server.store.engine import Store
from server.store.tables import Plan, Runs
from server.work import KINDS
from tools.fitting import parallel

TABLE = "params,tokens,loss\n" + "".join(
    f"{n},{d},{(1.7 + 400 / n**0.34 + 410 / d**0.28) * (1 + 0.002 * ((i * 7 + j * 3) % 5 - 2)):.6f}\n"
    for i, n in enumerate((1e7, 3e7, 1e8, 3e8, 1e9, 3e9))
    for j, d in enumerate((1e9, 3e9, 1e10, 3e10, 1e11))
)
REQUESTS: dict[str, Any] = {
    "sweep": {"items": [{"question": f"best model for {n}e21 FLOPs"} for n in (1, 2)] + [{"question": "x", "law": "nosuch"}]},
    "eval": {"area": "moe"},
    "forecast": {"runs": "runs_a", "at": "runs_b"},
}


class Place:
    """What a job may use, with its pieces computed on a backend."""

    def __init__(self, folder: Path, backend: Any) -> None:
        folder.mkdir()
        self.settings = Settings(data_dir=folder, parallel_backend=backend)
        self.store = Store(f"sqlite:///{folder / 'store.sqlite'}")
        self.plans = Plans(self.store, self.settings)
        with self.store.write() as session:
            for name, text in (("a", TABLE), ("b", "params,tokens\n7e9,1e12\n")):
                session.add(Runs(id=f"runs_{name}", owner="ann", name="runs.csv", digest="", size=0, content=text.encode()))

    def outcome(self, kind: str) -> str:
        """Result of a job and the plans it left."""
        work, heard = KINDS[kind], list[int]()
        given = work.request.model_validate(REQUESTS[kind])
        steps = work.steps(self, "ann", given)
        parts = [work.do(self, "ann", given, step, heard.append) for step in steps]
        assert sum(heard) == sum(work.weight(given, step) for step in steps)
        result, _ = work.gather(given, parts, "job_a", "ann")
        with self.store.read() as session:
            bodies = [session.get_one(Plan, ("ann", line["plan"])).body.decode() for line in result.get("plans", []) if "plan" in line]
        return json.dumps([result, bodies])


@pytest.mark.parametrize("kind", sorted(REQUESTS))
def test_the_same_on_every_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(parallel, "START_SECONDS", 0.0)  # small inputs would stay in this process
    monkeypatch.setattr(parallel, "workers", lambda: 2)
    alone = Place(tmp_path / "sequential", "sequential").outcome(kind)
    assert alone == Place(tmp_path / "threading", "threading").outcome(kind) == Place(tmp_path / "loky", "loky").outcome(kind)
