"""The page's own endpoints: files with their policy, turns that are found again, previews, law views, documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.server.live import served


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with served(tmp_path_factory.mktemp("chat")) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


def begin(web: httpx.Client, text: str, **more: Any) -> tuple[str, str]:
    thread = more.pop("thread", None) or web.post("/v1/threads", json={}).json()["id"]
    response = web.post(f"/v1/threads/{thread}/turns", json={"text": text, **more})
    assert response.status_code == 202, response.text
    return thread, response.json()["id"]


def events(web: httpx.Client, turn: str, after: str = "") -> list[tuple[str, str, Any]]:
    text = web.get(f"/v1/turns/{turn}/events", headers={"Last-Event-ID": after} if after else {}).text
    return [(item[1], item[2], json.loads(item[3])) for item in re.finditer(r"id: (\d+)\nevent: (\w+)\ndata: (.*)\n\n", text)]


def test_the_page_has_a_policy_without_inline_code(web: httpx.Client) -> None:
    response = web.get("/")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=|style=|https?://", response.text)


def test_files_are_tagged_packed_and_only_those_there_are(web: httpx.Client) -> None:
    first = web.get("/static/app.js")
    assert first.headers["content-type"].startswith("text/javascript")
    assert first.headers["content-encoding"] == "gzip"
    assert web.get("/static/app.js", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    for name in ("..%2Fpage.py", "page.py", "nothing.js", "%2e%2e/page.py"):
        assert web.get(f"/static/{name}").status_code == 404


def test_a_turn_is_read_on_from_any_event_without_loss_or_doubling(web: httpx.Client) -> None:
    _, turn = begin(web, "best model for 3e21 FLOPs")
    whole = events(web, turn)
    assert [int(number) for number, _, _ in whole] == list(range(len(whole)))
    assert whole[-1][1] == "reply"
    assert {name for _, name, _ in whole[:-1]} == {"step"}
    assert events(web, turn, "3") == whole[4:]
    assert events(web, turn, "nonsense") == whole


def test_an_edited_question_stands_in_for_the_old_one(web: httpx.Client) -> None:
    thread, turn = begin(web, "what loss will a 7B model reach on 2T tokens?")
    first = events(web, turn)[-1][2]
    _, second = begin(web, "and with 4T tokens?", thread=thread)
    assert events(web, second)[-1][2]["plan"]["answer"]["brief"]["params_total"] == 7e9
    _, edited = begin(web, "what loss will a 3B model reach on 1T tokens?", thread=thread, replaces=first["question"]["id"])
    assert events(web, edited)[-1][1] == "reply"
    messages = web.get(f"/v1/threads/{thread}").json()["messages"]
    assert [message["text"] for message in messages if message["role"] == "user"] == ["what loss will a 3B model reach on 1T tokens?"]


def test_a_refused_edit_leaves_the_thread_as_it_was(web: httpx.Client) -> None:
    thread, turn = begin(web, "what loss will a 7B model reach on 2T tokens?")
    first = events(web, turn)[-1][2]
    _, edited = begin(web, "a", thread=thread, brief={"task": "predict_loss", "params_total": -1}, replaces=first["question"]["id"])
    name, data = events(web, edited)[-1][1:]
    assert name == "problem"
    assert data["errors"][0]["pointer"] == "/params_total"
    assert len(web.get(f"/v1/threads/{thread}").json()["messages"]) == 2


def test_a_stopped_turn_leaves_nothing_behind(web: httpx.Client) -> None:
    thread, turn = begin(web, "best model for 7.7e21 FLOPs on 16 A100s")
    assert web.delete(f"/v1/turns/{turn}").status_code == 204
    assert events(web, turn)[-1][1] in ("stopped", "reply")  # it may have ended just before
    if events(web, turn)[-1][1] == "stopped":
        assert web.get(f"/v1/threads/{thread}").json()["messages"] == []


def test_turns_of_nobody_are_not_there(web: httpx.Client) -> None:
    assert web.get("/v1/turns/none/events").status_code == 404
    assert web.delete("/v1/turns/none").status_code == 404
    assert web.post("/v1/threads/none/turns", json={"text": "x"}).status_code == 404
    assert web.post("/v1/threads/none/turns", json={"text": "  "}).status_code == 422


def test_a_preview_is_the_tools_own_result_in_words(web: httpx.Client) -> None:
    fields = {"compute_flops": 1e22, "draws": 20}
    preview = web.post("/v1/preview", json={"tool": "plan", "fields": fields}).json()
    direct = web.post("/v1/tools/plan", json=fields).json()
    assert preview["result"]["values"]["params_total"]["value"] == direct["values"]["params_total"]["value"]
    assert preview["headline"].startswith("Train ")
    assert len(preview["figures"]) == 2
    light = web.post("/v1/preview", json={"tool": "plan", "fields": {**fields, "around": False}}).json()
    assert light["result"]["values"] == preview["result"]["values"]
    assert light["figures"] == []
    assert preview["labels"] == {}
    german = web.post("/v1/preview", json={"tool": "plan", "fields": {**fields, "around": False}, "language": "de"}).json()
    assert " trainieren" in german["headline"]
    assert german["result"] == light["result"]
    assert german["labels"]["accelerator-hours"] == "Beschleunigerstunden"
    assert web.post("/v1/preview", json={"tool": "plan", "fields": {"compute_flops": -1}}).status_code == 422


def test_laws_are_found_and_shown_with_formulas_figures_and_checks(web: httpx.Client) -> None:
    assert any(hit["law"] == "frantar2023_sparsity" for hit in web.get("/v1/search", params={"q": "sparsity"}).json())
    view = web.get("/v1/laws/besiroglu2024/view").json()
    assert view["formulas"]["loss"] == "L = E + A/N^alpha + B/D^beta"
    assert view["figures"]
    assert all(check["pass"] for check in view["checks"])
    assert web.get("/v1/laws/nothing/view").status_code in (404, 422)


def test_a_plan_as_a_document(web: httpx.Client) -> None:
    plan = web.post("/v1/plans", json={"question": "best model for 3e21 FLOPs <script>"}).json()
    assert web.get(f"/v1/plans/{plan['id']}/document").text.startswith("# best model")
    page = web.get(f"/v1/plans/{plan['id']}/document", params={"form": "html"})
    assert "<script" not in page.text
    assert page.text.startswith("<!doctype html>")
    assert web.get("/v1/plans/none/document").status_code == 404
