"""Plans, threads, shares and the rest over HTTP."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from agent.compose import versions

QUESTION = "best model for 1e22 FLOPs"


def events_of(text: str) -> list[tuple[str, Any]]:
    return [(name, json.loads(data)) for name, data in re.findall(r"event: (\w+)\ndata: (.*)\n", text)]


@pytest.fixture(scope="module")
def plan(service: TestClient) -> dict[str, Any]:
    return service.post("/v1/plans", json={"question": QUESTION}).json()


def test_a_plan_is_answered_and_found_again(service: TestClient, plan: dict[str, Any]) -> None:
    again = service.post("/v1/plans", json={"question": QUESTION})
    found = service.get(f"/v1/plans/{plan['id']}")
    assert plan["answer"]["headline"].startswith("Train ")
    assert again.json() == plan == found.json()
    assert again.headers["etag"] == found.headers["etag"] == f'"{plan["id"]}"'


def test_a_brief_in_place_of_a_question(service: TestClient, plan: dict[str, Any]) -> None:
    made = service.post("/v1/plans", json={"brief": plan["answer"]["brief"]}).json()
    assert made["answer"]["headline"] == plan["answer"]["headline"]
    assert made["id"] != plan["id"]


def test_an_unchanged_plan_is_not_sent_again(service: TestClient, plan: dict[str, Any]) -> None:
    headers = {"If-None-Match": f'"{plan["id"]}"'}
    assert service.get(f"/v1/plans/{plan['id']}", headers=headers).status_code == 304
    assert service.get("/v1/plans/0000", headers={"If-None-Match": '"0000"'}).status_code == 404


def test_steps_of_a_plan_as_events(service: TestClient, plan: dict[str, Any]) -> None:
    kept = events_of(service.get(f"/v1/plans/{plan['id']}/events").text)
    live = events_of(
        service.post("/v1/plans", json={"question": "best model for 3e22 FLOPs"}, headers={"Accept": "text/event-stream"}).text
    )
    for events in (kept, live):
        assert [name for name, _ in events][-1] == "answer"
        steps = [data for name, data in events if name == "step"]
        assert steps[0] == {**steps[0], "step": "allocate", "status": "started"}
        assert steps[1]["status"] == "done"
        assert steps[1]["result"]["tool"] == "allocate"
    assert kept[-1][1] == plan


def test_a_refused_question_ends_a_stream_with_its_problem(service: TestClient) -> None:
    events = events_of(service.post("/v1/plans?stream=true", json={"question": QUESTION, "law": "nosuchlaw"}).text)
    assert events[-1][0] == "problem"
    assert events[-1][1]["errors"][0]["pointer"] == "/law"


def test_what_is_missing_comes_as_a_form(service: TestClient) -> None:
    response = service.post("/v1/tools/allocate", json={})
    problem = response.json()
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert ["compute_flops"] in problem["needs_any_of"]
    assert {"field": "compute_flops", "unit": "FLOP", "example": "1e22 FLOPs"} in problem["needs"]


def test_every_response_says_versions_and_request(service: TestClient) -> None:
    told = versions()
    for path, headers in (
        ("/v1/laws/besiroglu2024", {"X-Request-Id": "abc-123"}),
        ("/v1/plans/none", {}),
        ("/nowhere", {"X-Request-Id": "bad id\t"}),
    ):
        response = service.get(path, headers=headers)
        assert response.headers["flopwise-version"] == told["flopwise"]
        assert response.headers["flopwise-law-base"] == told["law_base"]
        assert re.fullmatch(r"abc-123|[0-9a-f]{16}", response.headers["x-request-id"])


def test_pages_reach_every_plan_once(service: TestClient) -> None:
    made = {
        service.post("/v1/plans", json={"question": f"what loss will a {n}B model reach on 2T tokens?"}).json()["id"] for n in range(3, 8)
    }
    seen: list[str] = []
    cursor = None
    while True:
        page = service.get("/v1/plans", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page.get("next")
        if cursor is None:
            break
    assert made <= set(seen)
    assert len(seen) == len(set(seen))
    assert service.get("/v1/plans?cursor=nonsense").json()["errors"][0]["pointer"] == "/cursor"


def test_a_thread_remembers(service: TestClient) -> None:
    thread = service.post("/v1/threads").json()
    path = f"/v1/threads/{thread['id']}"
    first = service.post(f"{path}/messages", json={"text": QUESTION}).json()
    second = service.post(f"{path}/messages", json={"text": "and for 1e23?"}).json()
    alone = service.post("/v1/plans", json={"question": "best model for 1e23 FLOPs"}).json()
    assert second["plan"]["answer"]["headline"] == alone["answer"]["headline"] != first["plan"]["answer"]["headline"]
    assert second["plan"]["answer"]["brief"]["compute_flops"] == 1e23
    shown = service.get(path).json()
    assert [message["role"] for message in shown["messages"]] == ["user", "assistant"] * 2
    assert shown["title"] == QUESTION
    streamed = events_of(service.post(f"{path}/messages?stream=true", json={"text": "and for 1e24?"}).text)
    assert [name for name, _ in streamed][-1] == "answer"
    assert streamed[-1][1]["plan"]["answer"]["brief"]["compute_flops"] == 1e24


def test_threads_are_renamed_and_deleted(service: TestClient) -> None:
    thread = service.post("/v1/threads", json={"title": "one"}).json()
    path = f"/v1/threads/{thread['id']}"
    assert service.patch(path, json={"title": "two"}).json()["title"] == "two"
    assert any(item["title"] == "two" for item in service.get("/v1/threads").json()["items"])
    assert service.delete(path).status_code == 204
    assert service.get(path).status_code == 404


def test_a_link_shows_a_plan_until_it_is_revoked(service: TestClient, plan: dict[str, Any]) -> None:
    share = service.post("/v1/shares", json={"plan_id": plan["id"]}).json()
    assert service.get(share["path"]).json() == plan
    assert share["token"] not in service.get("/v1/shares").text
    assert service.delete(f"/v1/shares/{share['id']}").status_code == 204
    assert service.get(share["path"]).status_code == 404


def test_a_deleted_plan_takes_its_links_along(service: TestClient) -> None:
    made = service.post("/v1/plans", json={"question": "best model for 7e22 FLOPs"}).json()
    share = service.post("/v1/shares", json={"plan_id": made["id"]}).json()
    assert service.delete(f"/v1/plans/{made['id']}").status_code == 204
    assert service.get(share["path"]).status_code == service.get(f"/v1/plans/{made['id']}").status_code == 404
    assert service.post("/v1/plans", json={"question": "best model for 7e22 FLOPs"}).json() == made


def test_one_idempotency_key_is_one_thread(service: TestClient) -> None:
    headers = {"Idempotency-Key": "only-once"}
    before = len(service.get("/v1/threads?limit=200").json()["items"])
    first, second = (service.post("/v1/threads", json={"title": "t"}, headers=headers) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert len(service.get("/v1/threads?limit=200").json()["items"]) == before + 1
    other = service.post("/v1/threads", json={"title": "another"}, headers=headers)
    assert other.status_code == 422
    assert other.json()["errors"][0]["pointer"] == "/Idempotency-Key"


@pytest.mark.parametrize("what", ["threads", "runs", "shares", "jobs", "messages"])
def test_a_server_that_died_before_it_answered_has_done_it_once(service: TestClient, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    thread = service.post("/v1/threads", json={"title": "died"}).json()["id"]
    plan = service.post("/v1/plans", json={"question": "best model for 7.7e22 FLOPs"}).json()["id"]
    path, body = {
        "threads": ("/v1/threads", {"title": "a"}),
        "runs": ("/v1/runs", {"params": 1}),
        "shares": ("/v1/shares", {"plan_id": plan}),
        "jobs": ("/v1/jobs", {"kind": "eval", "request": {}}),
        "messages": (f"/v1/threads/{thread}/messages", {"text": "best model for 7.7e22 FLOPs"}),
    }[what]
    listing = path if what == "messages" else f"/v1/{what}"
    headers = {"Idempotency-Key": f"died-{what}"}

    def ids() -> set[str]:
        return {item["id"] for item in service.get(listing, params={"limit": 200}).json()["items"]}

    before = ids()
    with monkeypatch.context() as patch:
        patch.setattr("server.idempotency.keep", lambda *_: None)  # killed between the commit and the answer
        assert service.post(path, json=body, headers=headers).status_code < 300
    left = ids() - before
    assert service.post(path, json=body, headers=headers).status_code == 409  # it may still be at work
    monkeypatch.setattr("server.idempotency.STALE_SECONDS", -1)
    again = service.post(path, json=body, headers=headers)
    assert again.status_code < 300, again.text
    told = {again.json()["question"]["id"], again.json()["message"]["id"]} if what == "messages" else {again.json()["id"]}
    assert ids() - before == left == told


def test_a_failed_request_gives_its_key_back(service: TestClient) -> None:
    headers = {"Idempotency-Key": "try-again"}
    assert service.post("/v1/shares", json={"plan_id": "none"}, headers=headers).status_code == 404
    assert service.post("/v1/shares", json={"plan_id": "none"}, headers=headers).status_code == 404


def test_estimates_of_a_table(service: TestClient) -> None:
    row = {"model": "llama-2-7b", "accelerator": "a100-80gb", "n_accelerators": 8, "sequence_length": 4096, "global_batch": 8}
    out = service.post("/v1/estimates", json={"kind": "training", "rows": [row, {"model": "no-such-model"}]}).json()
    assert len(out["rows"]) == 2
    assert out["rows"][1]["error"]


def test_health_and_metrics(service: TestClient) -> None:
    assert service.get("/health/live").json()["status"] == "ok"
    assert service.get("/health/ready").json()["versions"] == versions()
    service.get("/v1/threads/thread_that_is_not_there")
    text = service.get("/metrics").text
    assert 'route="/v1/threads/{thread_id}",status="404"' in text
    assert "thread_that_is_not_there" not in text


def test_chat_page_models_and_shapes_have_their_own_paths(service: TestClient) -> None:
    models = service.get("/v1/models").json()
    assert models["object"] == "list"
    assert [model["id"] for model in models["data"]] == ["flopwise"]
    assert any(shape["id"] == "llama-3-70b" for shape in service.get(models["shapes"]).json())
