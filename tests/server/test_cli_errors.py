"""Whatever is wrong with what a command is given: one clear line on standard error and exit status 2."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.cli import COMMANDS, main


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOPWISE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("FLOPWISE_DATABASE_URL", raising=False)
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "text").write_text("no table\nof anything\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("server.logs.configure", lambda *_: None)  # of the whole process


def refused(capfd: pytest.CaptureFixture[str], line: str) -> str:
    try:
        status = main(line.split())
    except SystemExit as stop:
        status = int(stop.code or 0)
    out, err = capfd.readouterr()
    assert status == 2, (line, status, out, err)
    assert err.startswith("flopwise: "), err
    assert len(err.splitlines()) == 1, err
    assert "Error" not in err, err
    return err


@pytest.mark.parametrize(
    "line",
    [
        "keys revoke nosuch",
        "keys rotate nosuch",
        "keys rotate nosuch --grace-days nan",
        "keys create --owner a --days -1",
        "law show nosuch",
        "law eval besiroglu2024 nosuch",
        "law check nosuch",
        "law compare nosuch hoffmann2022",
        "fit nosuch.csv",
        "fit .",
        "fit binary",
        "forecast nosuch.csv --at text",
        "design --budget x",
        "estimate training --csv nosuch.csv",
        "estimate training --csv binary",
        "calibrate nosuch.csv --out out.json",
        "replay nosuch.json",
        "replay text",
        "import nosuch",
        "import .",
        "import binary",
        "import text",
        "export --out no/such/folder",
        "store upgrade nosuch",
        "store downgrade nosuch",
        "store downgrade",
        "store nosuch",
        "worker",
        "worker --nosuch",
        "mcp nosuch",
        "slack",
        "serve --port 99999",
        "serve --port x",
        "serve --host 0.0.0.0",
    ],
)
def test_bad_input(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.delenv("FLOPWISE_SLACK_SIGNING_SECRET", raising=False)
    refused(capfd, line)


def test_every_command_is_tried() -> None:
    tried = {line.split()[0] for line in test_bad_input.pytestmark[0].args[1]}  # type: ignore[attr-defined]
    assert set(COMMANDS) - tried == {"ask", "plan", "brief"}  # whose input is a question: test_cli.py


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "nosuch://a/b"),
        ("DATABASE_URL", "postgresql://ann:hunter2@127.0.0.1:1/x"),
        ("DATABASE_URL", "postgresql://ann:hunter2@127.0.0.1:port/x"),
        ("DATABASE_URL", "sqlite:////no/such/folder/x.sqlite"),
        ("DATABASE_URL", "sqlite:///text"),
        ("DATA_DIR", "text/below"),
        ("JOB_CONCURRENCY", "0"),
        ("PORT", "many"),
        ("ALLOWED_HOSTS", "a,b"),
        ("PARALLEL_BACKEND", "mpi"),
        ("LOG_LEVEL", "loud"),
        ("OTEL", "perhaps"),
        ("MODEL_TIMEOUT_SECONDS", "-1"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "worker", "keys list"])
def test_bad_settings(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, name: str, value: str) -> None:
    monkeypatch.setenv(f"FLOPWISE_{name}", value)
    told = refused(capfd, command)
    assert "hunter2" not in told
    assert f"FLOPWISE_{name}" in told or command == "worker"


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as there:
        yield there.getsockname()[1]


def test_a_port_in_use(capfd: pytest.CaptureFixture[str], taken: int) -> None:
    assert "another program listens there" in refused(capfd, f"serve --port {taken}")
