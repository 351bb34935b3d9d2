"""A table uploaded to the service, fitted for a question that names it; a profile sent along."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from server.plans import MAX_ROWS

QUESTION = "fit these and tell me the best model for 1e22 FLOP"


def table(noise: float = 0.0) -> bytes:
    sizes, ratios = (1e8, 2e8, 4e8, 8e8, 1.6e9), (8, 20, 50, 120)
    rows = [
        (n, n * r, 1.8 + 480 / n**0.35 + 2100 / (n * r) ** 0.37 + noise * ((i * 7 + j * 3) % 5 - 2))
        for i, n in enumerate(sizes)
        for j, r in enumerate(ratios)
    ]
    return b"params,tokens,loss\n" + "".join(f"{n},{d},{loss}\n" for n, d, loss in rows).encode()


def upload(service: TestClient, content: bytes) -> str:
    return service.post("/v1/runs", params={"name": "ours.csv"}, content=content).raise_for_status().json()["id"]


def test_a_plan_is_made_by_the_law_of_an_uploaded_table(service: TestClient) -> None:
    ident = upload(service, table(0.0005))
    plan = service.post("/v1/plans", json={"question": QUESTION, "runs": ident}).raise_for_status().json()
    best = next(result for result in plan["answer"]["results"] if result["tool"] == "allocate")["values"]["params_total"]
    assert best["value"] == pytest.approx(9.6e9, rel=0.15)
    assert best["law"].startswith("fit_")
    assert plan["answer"]["brief"]["runs"] == "ours.csv"
    same = service.post("/v1/plans", json={"question": QUESTION, "runs": upload(service, table(0.0005))}).json()
    other = service.post("/v1/plans", json={"question": QUESTION, "runs": upload(service, table(0.001))}).json()
    assert same["id"] == plan["id"]
    assert other["id"] != plan["id"]


def test_what_cannot_be_attached_is_refused(service: TestClient) -> None:
    assert service.post("/v1/plans", json={"question": QUESTION, "runs": "runs_none"}).status_code == 404
    long = upload(service, b"params,tokens,loss\n" + b"1e8,2e9,3\n" * (MAX_ROWS + 1))
    refused = service.post("/v1/plans", json={"question": QUESTION, "runs": long})
    assert refused.status_code == 422
    assert "POST /v1/fits" in refused.text
    assert service.post("/v1/plans", json={"question": "how long for 7B on 1T tokens?", "profile": {"format": "x"}}).status_code == 422
