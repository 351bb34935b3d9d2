"""What a server that is told to stop does with the jobs it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from server import plans
from server.app import create_app
from server.settings import Settings
from server.store.engine import Store
from server.store.tables import Job, Worker


def test_a_stop_hands_a_running_job_over(
    tmp_path: Path, service_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plans.answer_plan

    def slowly(*given: Any) -> Any:
        time.sleep(0.15)
        return made(*given)

    monkeypatch.setattr(plans, "answer_plan", slowly)
    settings = service_settings(tmp_path, jobs_here=True, shutdown_seconds=1, parallel_backend="threading")
    items = [{"question": f"what loss will a {n}B model reach on 2T tokens?"} for n in range(1, 31)]
    with TestClient(create_app(settings)) as first:
        job = first.post("/v1/jobs", json={"kind": "sweep", "request": {"items": items}}).json()["id"]
        while first.get(f"/v1/jobs/{job}").json()["done"] == 0:
            time.sleep(0.05)
    store = Store(settings.store_url)
    with store.read() as session:
        assert session.get_one(Job, job).status == "running"
        assert session.get(Worker, "serve") is None
    store.close()
    monkeypatch.undo()
    with TestClient(create_app(settings)) as second:
        second.get(f"/v1/jobs/{job}/events")
        done = second.get(f"/v1/jobs/{job}").json()
    assert (done["status"], done["attempts"], done["done"]) == ("done", 2, 30), done["error"]
    assert [line.get("problem") for line in done["result"]["plans"]] == [None] * 30
