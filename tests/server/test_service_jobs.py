"""Jobs: progress, cancel, retry, and what survives a crash."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from server import jobs
from server.jobs import end
from server.store.engine import Store
from server.store.tables import Audit, Job

RUNS = "params,tokens,loss\n" + "".join(
    f"{n},{d},{1.7 + 400 / n**0.34 + 410 / d**0.28:.6f}\n" for n in (1e7, 3e7, 1e8, 3e8, 1e9) for d in (1e9, 3e9, 1e10, 3e10, 1e11)
)


def ended(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    events = re.findall(r"event: (\w+)\ndata: (.*)\n", client.get(f"/v1/jobs/{job['id']}/events").text)
    assert events[-1][0] == "end"
    assert all(name == "progress" for name, _ in events[:-1])
    return json.loads(events[-1][1])


@pytest.fixture(scope="module")
def runs(working: TestClient) -> str:
    return working.post("/v1/runs?name=series.csv", content=RUNS).json()["id"]


def test_a_fit_gives_a_law_that_plans_take(working: TestClient, runs: str) -> None:
    accepted = working.post("/v1/fits", json={"runs": runs, "bootstrap": 50})
    assert accepted.status_code == 202
    assert accepted.headers["location"] == f"/v1/jobs/{accepted.json()['id']}"
    job = ended(working, accepted.json())
    assert (job["status"], job["done"], job["attempts"]) == ("done", job["total"], 1)
    fit = job["result"]["fits"][0]
    assert fit["params"]["alpha"] == pytest.approx(0.34, abs=1e-3)
    assert fit["params"]["E"] == pytest.approx(1.7, abs=1e-3)
    card = working.get(f"/v1/fits/{fit['id']}").json()["card"]
    plan = working.post("/v1/plans", json={"question": "best model for 1e20 FLOPs", "law": fit["id"]}).json()
    assert plan["answer"]["results"][0]["values"]["params_total"]["law"] == card["id"]


def test_a_forecast_keeps_the_order_of_its_points(working: TestClient, runs: str) -> None:
    points = working.post("/v1/runs?name=points.csv", content="params,tokens\n3e9,3e11\n1e9,2e11\n").json()["id"]
    job = ended(working, working.post("/v1/jobs", json={"kind": "forecast", "request": {"runs": runs, "at": points}}).json())
    assert job["status"] == "done", job["error"]
    big, small = job["result"]["predictions"]
    for row, (n, d) in zip((big, small), ((3e9, 3e11), (1e9, 2e11)), strict=True):
        assert row["lo"] < 1.7 + 400 / n**0.34 + 410 / d**0.28 < row["hi"]
    assert big["loss"] < small["loss"]


def test_a_sweep_answers_every_question_and_says_which_were_refused(working: TestClient) -> None:
    items = [
        {"question": "best model for 1e21 FLOPs"},
        {"question": "best model for 1e21 FLOPs", "law": "nosuch"},
        {"brief": {"task": "allocate", "compute_flops": 1e21}},
    ]
    job = ended(working, working.post("/v1/jobs", json={"kind": "sweep", "request": {"items": items}}).json())
    first, second, third = job["result"]["plans"]
    assert first["headline"] == third["headline"]
    assert second["problem"]["errors"][0]["pointer"] == "/law"
    assert working.get(f"/v1/plans/{first['plan']}").status_code == 200


def test_the_law_base_checks_itself(working: TestClient) -> None:
    job = ended(working, working.post("/v1/jobs", json={"kind": "eval", "request": {"area": "quantization"}}).json())
    assert job["result"]["checks"] == job["result"]["passed"] > 5


def test_bad_requests_fail_with_a_problem(working: TestClient, runs: str) -> None:
    job = ended(working, working.post("/v1/fits", json={"runs": runs, "form": "nosuchform"}).json())
    assert job["status"] == "failed"
    assert job["error"]["errors"][0]["pointer"] == "/form"
    again = working.post(f"/v1/jobs/{job['id']}/retry").json()
    assert again["retry_of"] == job["id"]
    assert ended(working, again)["status"] == "failed"
    done = ended(working, working.post("/v1/jobs", json={"kind": "eval", "request": {"area": "video"}}).json())
    assert working.post(f"/v1/jobs/{done['id']}/retry").status_code == 409
    assert working.post(f"/v1/jobs/{done['id']}/cancel").status_code == 409


def test_a_cancelled_job_ends_at_once_and_once(service: TestClient) -> None:
    job = service.post("/v1/jobs", json={"kind": "sweep", "request": {"items": [{"question": "best model for 1e21 FLOPs"}]}}).json()
    assert service.post(f"/v1/jobs/{job['id']}/cancel").json()["status"] == "cancelled"
    store: Store = service.app.state.store  # type: ignore[attr-defined]
    assert end(store, job["id"], "done", result={}) is False
    assert service.get(f"/v1/jobs/{job['id']}").json()["status"] == "cancelled"


def test_work_on_a_cancelled_job_stops_at_its_next_sign(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'm.sqlite'}")
    with store.write() as session:
        session.add(Job(id="job_a", owner="ann", kind="sweep", request={}))
    meter = jobs._Meter(store, "job_a")
    meter.total(4)
    assert end(store, "job_a", "cancelled")
    with pytest.raises(jobs.Stopped):
        meter._told = 0.0
        meter(1)
    store.close()


def test_only_the_first_end_counts(tmp_path: Path) -> None:
    from sqlmodel import select

    store = Store(f"sqlite:///{tmp_path / 'e.sqlite'}")
    with store.write() as session:
        session.add(Job(id="job_b", owner="ann", kind="sweep", request={}))
    assert [end(store, "job_b", status) for status in ("done", "failed", "done")] == [True, False, False]
    with store.read() as session:
        assert [line.action for line in session.exec(select(Audit))] == ["job.done"]
    store.close()
