"""Export and import of everything an owner has, and the walls around it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from knowledge.errors import InputError
from server.store.engine import Store
from server.store.tables import Message, Thread
from server.store.transfer import export_rows, import_rows

QUESTION = "best model for 2.5e22 FLOPs"


@pytest.fixture(scope="module")
def lines(service: TestClient) -> list[str]:
    service.post("/v1/plans", json={"question": QUESTION})
    thread = service.post("/v1/threads").json()["id"]
    service.post(f"/v1/threads/{thread}/messages", json={"text": QUESTION})
    service.post("/v1/runs?name=r.csv", content=b"params,tokens,loss\n1e9,1e10,3.0\n")
    service.post("/v1/jobs", json={"kind": "eval", "request": {}})
    return service.get("/v1/export").text.splitlines(keepends=True)


def test_another_store_holds_the_same_afterwards(lines: list[str], tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'b.sqlite'}")
    counts = import_rows(store, "ann", lines)
    assert counts == {"plans": 1, "threads": 1, "messages": 2, "runs": 1, "jobs": 1}
    assert import_rows(store, "ann", lines) == {}
    again = [json.loads(line) for line in export_rows(store, "ann")]
    before = [json.loads(line) for line in lines]
    assert [line for line in again if line.get("table") != "jobs"] == [line for line in before if line.get("table") != "jobs"]
    assert [line["row"]["status"] for line in again if line.get("table") == "jobs"] == ["cancelled"]
    assert list(export_rows(store, "bob")) == [lines[0]]
    store.close()


def test_rows_of_another_owner_are_neither_taken_nor_added_to(lines: list[str], tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'c.sqlite'}")
    with store.write() as session:
        session.add(Thread(id="thread_ann", owner="ann"))
    forged: Any = {
        "table": "messages",
        "row": Message(thread_id="thread_ann", owner="bob", role="assistant", text="forged").model_dump(exclude={"owner"}),
    }
    with pytest.raises(InputError, match="not yours"):
        import_rows(store, "bob", [lines[0], json.dumps(forged)])
    taken: Any = {"table": "threads", "row": {"id": "thread_ann", "title": "mine"}}
    with pytest.raises(InputError, match="somebody else"):
        import_rows(store, "bob", [lines[0], json.dumps(taken)])
    store.close()


def test_a_forged_plan_is_shown_to_its_owner_alone(guarded: tuple[TestClient, dict[str, dict[str, str]]]) -> None:
    client, keys = guarded
    made = client.post("/v1/plans", json={"question": QUESTION}, headers=keys["ann"]).json()
    client.app.state.plans._made.clear()  # type: ignore[attr-defined]
    forged = {**made, "answer": {**made["answer"], "headline": "forged"}}
    row = {
        "id": made["id"],
        "question": QUESTION,
        "headline": "forged",
        "events": [],
        "body": base64.b64encode(json.dumps(forged).encode()).decode(),
    }
    body = json.dumps({"format": "flopwise-export/1"}) + "\n" + json.dumps({"table": "plans", "row": row}) + "\n"
    assert client.post("/v1/import", content=body, headers=keys["bob"]).json() == {"rows": {"plans": 1}}
    assert client.get(f"/v1/plans/{made['id']}", headers=keys["bob"]).json()["answer"]["headline"] == "forged"
    assert client.delete(f"/v1/plans/{made['id']}", headers=keys["ann"]).status_code == 204
    assert client.post("/v1/plans", json={"question": QUESTION}, headers=keys["ann"]).json() == made


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "x",
        "[]",
        '{"format": "other"}',
        '{"format": "flopwise-export/1"}\n{"table": "keys", "row": {}}',
        '{"format": "flopwise-export/1"}\n{"table": "plans", "row": {"id": "a", "body": "!"}}',
    ],
)
def test_a_file_that_is_no_export_is_refused(service: TestClient, bad: str) -> None:
    response = service.post("/v1/import", content=bad)
    assert response.status_code == 422
    assert response.json()["errors"]
