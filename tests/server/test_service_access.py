"""Keys, limits and walls between tenants: on every route there is."""

from __future__ import annotations

import itertools
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from server.app import create_app
from server.auth import create_key, list_keys, look_up, revoke_key, rotate_key
from server.gate import OPEN, OPEN_EXACT, Buckets
from server.logs import blank
from server.settings import Settings, is_loopback
from server.store.engine import Store

RUNS = "params,tokens,loss\n" + "".join(
    f"{n},{d},{1.7 + 400 / n**0.34 + 410 / d**0.28:.6f}\n" for n in (1e7, 1e8, 1e9) for d in (1e9, 1e10, 1e11)
)
_MARKS = re.compile(r"\{(\w+)\}")


def routes_of(app: Any) -> Iterator[tuple[str, str]]:
    """Every (method, path) that the app serves, mounted ones and those of included routers too."""
    for route in app.routes:
        for context in route.effective_route_contexts() if hasattr(route, "effective_route_contexts") else [route]:
            yield from ((method, context.path) for method in sorted(context.methods or ()) if method != "HEAD")


def filled(path: str, values: dict[str, str]) -> str:
    return _MARKS.sub(lambda mark: values.get(mark[1], "none"), path)


def is_open(path: str) -> bool:
    return path in OPEN_EXACT or path.startswith(OPEN)


def wait_for(client: TestClient, job_id: str, headers: dict[str, str]) -> dict[str, Any]:
    client.get(f"/v1/jobs/{job_id}/events", headers=headers)
    return client.get(f"/v1/jobs/{job_id}", headers=headers).json()


@pytest.fixture(scope="module")
def of_ann(guarded: tuple[TestClient, dict[str, dict[str, str]]]) -> dict[str, str]:
    """One of everything, owned by ann: path parameter -> id."""
    client, keys = guarded
    ann = keys["ann"]
    plan = client.post("/v1/plans", json={"question": "best model for 1.23e22 FLOPs"}, headers=ann).json()["id"]
    thread = client.post("/v1/threads", json={"title": "annas secret"}, headers=ann).json()["id"]
    client.post(f"/v1/threads/{thread}/messages", json={"text": "best model for 1.24e22 FLOPs"}, headers=ann)
    share = client.post("/v1/shares", json={"plan_id": plan}, headers=ann).json()["id"]
    runs = client.post("/v1/runs?name=annas.csv", content=RUNS, headers=ann).json()["id"]
    job = client.post("/v1/fits", json={"runs": runs, "bootstrap": 20}, headers=ann).json()["id"]
    ended = wait_for(client, job, ann)
    assert ended["status"] == "done", ended
    made = {
        "plan_id": plan,
        "thread_id": thread,
        "share_id": share,
        "runs_id": runs,
        "job_id": job,
        "fit_id": ended["result"]["fits"][0]["id"],
    }
    if any("turn_id" in path for _, path in routes_of(client.app)):
        response = client.post(f"/v1/threads/{thread}/turns", json={"text": "and for 1.25e22?"}, headers=ann)
        assert response.status_code < 300, response.text
        body = response.json()
        made["turn_id"] = body.get("turn_id") or body.get("turn") or body["id"]
    return made


def test_every_path_parameter_of_data_is_covered(guarded: tuple[TestClient, dict[str, dict[str, str]]], of_ann: dict[str, str]) -> None:
    public = {"law_id", "relation", "accelerator_id", "model_id", "name", "token", "path", "file"}
    found = {mark for _, path in routes_of(guarded[0].app) for mark in _MARKS.findall(path)}
    assert found - public == set(of_ann), "a new kind of data: add it to of_ann, so that the walls around it are tested"


def test_no_route_works_without_a_key(guarded: tuple[TestClient, dict[str, dict[str, str]]], of_ann: dict[str, str]) -> None:
    client, _ = guarded
    closed = [(method, path) for method, path in routes_of(client.app) if not is_open(path)]
    assert len(closed) > 40
    for method, path in closed:
        for headers in ({}, {"Authorization": "Bearer fw_wrong"}, {"Authorization": "Basic YTpi"}):
            response = client.request(method, filled(path, of_ann), headers=headers, json={} if method in ("POST", "PATCH") else None)
            assert response.status_code == 401, (method, path, headers, response.text[:200])
            assert response.headers["content-type"] == "application/problem+json"


def test_a_key_reads_and_changes_nothing_of_another(guarded: tuple[TestClient, dict[str, dict[str, str]]], of_ann: dict[str, str]) -> None:
    client, keys = guarded
    bodies: list[dict[str, Any]] = [{}, {"title": "taken"}, {"text": "best model for 1e22 FLOPs"}, {"text": "x", "law": of_ann["fit_id"]}]
    touched = 0
    for method, path in routes_of(client.app):
        marks = set(_MARKS.findall(path)) & set(of_ann)
        if not marks:
            continue
        touched += 1
        for body in bodies if method in ("POST", "PATCH", "PUT") else [None]:
            response = client.request(method, filled(path, of_ann), headers=keys["bob"], json=body)
            assert response.status_code in (404, 422), (method, path, response.status_code, response.text[:200])
            assert response.headers["content-type"] == "application/problem+json", (method, path)
        if method in ("GET", "DELETE"):
            assert client.request(method, filled(path, of_ann), headers=keys["bob"]).status_code == 404, (method, path)
    assert touched > 15
    for name, path in (
        ("plan_id", "/v1/plans/"),
        ("thread_id", "/v1/threads/"),
        ("runs_id", "/v1/runs/"),
        ("job_id", "/v1/jobs/"),
        ("fit_id", "/v1/fits/"),
    ):
        assert client.get(path + of_ann[name], headers=keys["ann"]).status_code == 200, name
    assert client.get("/v1/threads/" + of_ann["thread_id"], headers=keys["ann"]).json()["title"] == "annas secret"


def test_listings_show_only_ones_own(guarded: tuple[TestClient, dict[str, dict[str, str]]], of_ann: dict[str, str]) -> None:
    client, keys = guarded
    listings = [
        path
        for method, path in routes_of(client.app)
        if method == "GET" and not _MARKS.search(path) and not is_open(path) and path != "/mcp"
    ]  # whose GET is an endless stream
    for path in listings:
        text = client.get(path, headers=keys["bob"]).text
        assert not any(ident in text for ident in of_ann.values()), path
        assert "annas" not in text, path
    for path in ("/v1/plans", "/v1/threads", "/v1/shares", "/v1/runs", "/v1/fits", "/v1/jobs"):
        assert client.get(path, headers=keys["ann"]).json()["items"], path


def test_ids_of_another_are_refused_inside_bodies(guarded: tuple[TestClient, dict[str, dict[str, str]]], of_ann: dict[str, str]) -> None:
    client, keys = guarded
    bob = keys["bob"]
    assert client.post("/v1/fits", json={"runs": of_ann["runs_id"]}, headers=bob).status_code == 404
    assert client.post("/v1/shares", json={"plan_id": of_ann["plan_id"]}, headers=bob).status_code == 404
    assert client.post("/v1/plans", json={"question": "best model for 1e22 FLOPs", "law": of_ann["fit_id"]}, headers=bob).status_code == 404
    for kind, request in (("fit", {"runs": of_ann["runs_id"]}), ("forecast", {"runs": of_ann["runs_id"], "at": of_ann["runs_id"]})):
        job = client.post("/v1/jobs", json={"kind": kind, "request": request}, headers=bob).json()["id"]
        ended = wait_for(client, job, bob)
        assert ended["status"] == "failed"
        assert ended["error"]["status"] == 404
    with_own = client.post("/v1/plans", json={"question": "best model for 1e20 FLOPs", "law": of_ann["fit_id"]}, headers=keys["ann"])
    assert with_own.status_code == 200
    assert with_own.json()["answer"]["results"][0]["values"]["params_total"]["law"].startswith("fit_annas")


def test_idempotency_keys_of_two_tenants_do_not_meet(guarded: tuple[TestClient, dict[str, dict[str, str]]]) -> None:
    client, keys = guarded
    made = [
        client.post("/v1/threads", json={"title": "t"}, headers={**keys[who], "Idempotency-Key": "shared"}).json()["id"]
        for who in ("ann", "bob")
    ]
    assert made[0] != made[1]


def test_scopes(guarded: tuple[TestClient, dict[str, dict[str, str]]], of_ann: dict[str, str]) -> None:
    client, keys = guarded
    assert client.get("/v1/plans", headers=keys["reader"]).status_code == 200
    for method, path in routes_of(client.app):
        if method != "GET" and not is_open(path):
            assert client.request(method, filled(path, of_ann), headers=keys["reader"], json={}).status_code == 403, (method, path)
    assert client.get("/metrics", headers=keys["ann"]).status_code == 403
    assert client.get("/metrics", headers=keys["operator"]).status_code == 200


def test_revoked_expired_and_rotated_keys(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'keys.sqlite'}")
    key, secret = create_key(store, "ann", name="laptop")
    assert look_up(store, secret).owner == "ann"  # type: ignore[union-attr]
    assert secret not in (tmp_path / "keys.sqlite").read_bytes().decode("latin1")
    assert secret not in (tmp_path / "keys.sqlite-wal").read_bytes().decode("latin1")
    renewed, new_secret = rotate_key(store, key.id, grace_days=1e-9)
    assert look_up(store, secret) is None
    assert look_up(store, new_secret).key_id == renewed.id  # type: ignore[union-attr]
    revoke_key(store, renewed.prefix)
    assert look_up(store, new_secret) is None
    _, short = create_key(store, "ann", days=1e-9)
    assert look_up(store, short) is None
    assert [entry.prefix for entry in list_keys(store, "ann")] == [secret[:11], new_secret[:11], short[:11]]
    store.close()


def test_rate_limit(tmp_path: Path, service_settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(service_settings(tmp_path, require_keys=True, rate_per_minute=12))) as client:
        _, secret = create_key(client.app.state.store, "ann")  # type: ignore[attr-defined]
        answers = [client.get("/v1/models", headers={"Authorization": f"Bearer {secret}"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_buckets_fill_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=10)
    monkeypatch.setattr("server.gate.time.monotonic", lambda: next(clock))
    buckets = Buckets(6)
    assert [buckets.wait("ann") for _ in range(3)] == [0.0, 0.0, 0.0]


def test_body_limits(tmp_path: Path, service_settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(service_settings(tmp_path, max_body_bytes=2000, max_upload_bytes=5000))) as client:
        assert client.post("/v1/plans", json={"question": "x" * 3000}).status_code == 413
        assert (
            client.post(
                "/v1/plans", content=iter([b'{"question": "', b"x" * 3000, b'"}']), headers={"Content-Type": "application/json"}
            ).status_code
            == 413
        )
        assert client.post("/v1/runs", content=b"a,b\n" + b"1,2\n" * 1000).status_code == 201
        assert client.post("/v1/runs", content=b"a,b\n" + b"1,2\n" * 2000).status_code == 413


def test_pages_of_other_sites_are_kept_out(service: TestClient) -> None:
    assert service.get("/v1/models", headers={"Host": "attacker.example"}).status_code == 421
    assert service.get("/v1/models", headers={"Origin": "https://attacker.example"}).status_code == 403
    own = service.get("/v1/models", headers={"Origin": "http://testserver"})
    assert own.status_code == 200
    assert "access-control-allow-origin" not in own.headers


def test_a_named_site_may_ask(tmp_path: Path, service_settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(service_settings(tmp_path, cors_origins=["https://mine.example"]))) as client:
        response = client.get("/v1/models", headers={"Origin": "https://mine.example"})
        assert response.headers["access-control-allow-origin"] == "https://mine.example"
        assert client.get("/v1/models", headers={"Origin": "https://other.example"}).status_code == 403


@pytest.mark.parametrize(
    ("host", "here"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("[::1]", True), ("0.0.0.0", False), ("example.org", False)]
)
def test_loopback(host: str, here: bool) -> None:
    assert is_loopback(host) is here
    assert Settings(host=host).keys_required is not here


@pytest.mark.parametrize(("extra", "text"), [({}, "no key exists"), ({"FLOPWISE_REQUIRE_KEYS": "false"}, "keys are switched off")])
def test_it_does_not_start_open_to_the_world(tmp_path: Path, extra: dict[str, str], text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server.cli", "serve", "--host", "0.0.0.0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", "FLOPWISE_DATA_DIR": str(tmp_path), **extra},
    )
    assert done.returncode == 2
    assert text in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_secrets_are_blanked() -> None:
    text = blank("Bearer abc.def fw_0123456789abcdef sk-proj-abcdefgh postgresql://user:hunter2@host/db xoxb-12345678")
    assert not any(secret in text for secret in ("abc.def", "0123456789abcdef", "abcdefgh", "hunter2", "12345678"))
    assert "host/db" in text


def test_logs_hold_no_key_and_no_question(
    guarded: tuple[TestClient, dict[str, dict[str, str]]], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    client, keys = guarded
    caplog.set_level(logging.DEBUG)
    client.post("/v1/plans", json={"question": "zebra stripes for 1e22 FLOPs", "law": "nosuch"}, headers=keys["ann"])
    client.get("/v1/plans", headers={"Authorization": "Bearer fw_notakey"})
    out, err = capfd.readouterr()
    logged = out + err + caplog.text
    assert "/v1/plans" in logged
    assert not any(word in logged for word in (keys["ann"]["Authorization"].split()[1], "fw_notakey", "zebra"))
