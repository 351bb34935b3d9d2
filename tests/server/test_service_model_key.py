"""The key of the language model's server goes there and nowhere else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from server.app import create_app
from server.settings import Settings

KEY = "sk-model-0123456789abcdef"


@pytest.fixture
def model_server() -> Iterator[tuple[str, list[str]]]:
    """Address of a server that refuses every request, and the keys it was sent."""
    heard: list[str] = []

    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.headers.get("Authorization", ""))
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.send_response(400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing to standard error."""

    with HTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1", heard
        server.shutdown()


def test_the_key_reaches_the_model_and_no_log_plan_or_store(
    tmp_path: Path,
    service_settings: Callable[..., Settings],
    model_server: tuple[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    pytest.importorskip("langchain_openai", reason="the extra `llm` is not installed")
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("FLOPWISE_API_KEY", KEY)
    settings = service_settings(tmp_path, model="openai:scripted", base_url=model_server[0])
    with TestClient(create_app(settings)) as client:
        response = client.post("/v1/plans", json={"question": "best model for 1.9e22 FLOPs, said oddly, for my aunt's cat café?"})
        assert response.status_code == 200
        told = response.text + client.get("/v1/export").text + client.get("/metrics").text + repr(settings)
    assert model_server[1], "the model was not asked"
    assert set(model_server[1]) == {f"Bearer {KEY}"}
    out, err = capfd.readouterr()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode("latin1")
    assert KEY not in told + out + err + caplog.text + kept
