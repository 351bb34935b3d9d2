"""The Slack face served on loopback in a thread, against the fake Slack; what the tests of Slack share."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from server.settings import Settings
from server.slack.app import SlackFace, create_app
from server.slack.settings import SlackSettings
from tests.server.slack_fake import SECRET, TOKEN, FakeSlack, Sender


def until(holds: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait for something to hold; what it gave."""
    end = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)
    return value


class World:
    """A fake Slack and one process of ours on a store of its own."""

    def __init__(self, fake: FakeSlack, sender: Sender, face: SlackFace, loop: asyncio.AbstractEventLoop) -> None:
        self.fake, self.sender, self.face, self._loop = fake, sender, face, loop

    def settle(self) -> None:
        """Wait until no turn is under way."""
        asyncio.run_coroutine_threadsafe(self.face.desk.idle(), self._loop).result(60)


def slack_settings(fake: FakeSlack, **given: Any) -> SlackSettings:
    """Settings against the fake."""
    return SlackSettings(
        **{
            "signing_secret": SECRET,
            "bot_token": TOKEN,
            "api_url": fake.url,
            "call_timeout_seconds": 5,
            "user_per_minute": 10_000,
            "team_per_minute": 10_000,
            "plan_processes": 0,
            **given,
        }
    )


def service_of(folder: Path, **given: Any) -> Settings:
    """Settings of the service beneath, in a folder or on a database."""
    return Settings(**{"data_dir": folder, "jobs_here": False, "shutdown_seconds": 5, "parallel_backend": "threading", **given})


class Process:
    """`flopwise slack` as an operating-system process of its own, against the fake Slack."""

    def __init__(self, fake: FakeSlack, folder: Path, log: Path | None = None, **env: object) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        given = {
            "FLOPWISE_DATA_DIR": folder,
            "FLOPWISE_JOBS_HERE": "false",
            "FLOPWISE_SLACK_SIGNING_SECRET": SECRET,
            "FLOPWISE_SLACK_BOT_TOKEN": TOKEN,
            "FLOPWISE_SLACK_API_URL": fake.url,
            "FLOPWISE_SLACK_USER_PER_MINUTE": 100_000,
            "FLOPWISE_SLACK_TEAM_PER_MINUTE": 100_000,
            **env,
        }
        command = [sys.executable, "-m", "server.cli", "slack", "--port", str(port)]
        self.popen = subprocess.Popen(
            command,
            env={**os.environ, **{name: str(value) for name, value in given.items()}},
            cwd=Path(__file__).parents[2],
            stderr=log.open("ab") if log else subprocess.DEVNULL,
        )
        self.sender = Sender(f"http://127.0.0.1:{port}")

    def __enter__(self) -> Process:
        return self

    def up(self, seconds: float = 60) -> Process:
        """Itself, once it answers."""
        until(self._answers, seconds)
        return self

    def _answers(self) -> bool:
        assert self.popen.poll() is None, "ended by itself"
        try:
            return httpx.get(f"{self.sender.url}/healthz", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    def children(self) -> list[int]:
        """Its worker processes."""
        threads = Path(f"/proc/{self.popen.pid}/task").iterdir()
        return [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]

    def kill(self) -> None:
        """As the system does it to a process that takes too much memory: at once, nothing is tidied."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait(10)

    def __exit__(self, *_: object) -> None:
        self.sender.close()
        self.popen.send_signal(signal.SIGTERM)
        self.popen.wait(30)


@contextmanager
def served(fake: FakeSlack, settings: SlackSettings, service: Settings) -> Iterator[World]:
    """One server of ours on a free port."""
    faces: list[tuple[SlackFace, asyncio.AbstractEventLoop]] = []
    app = create_app(settings, service, on_start=lambda face: faces.append((face, asyncio.get_running_loop())))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="slack-face")
    thread.start()
    sender = Sender(f"http://127.0.0.1:{listening.getsockname()[1]}")
    try:
        until(lambda: server.started or not thread.is_alive())
        yield World(fake, sender, *faces[0])
    finally:
        sender.close()
        server.should_exit = True
        thread.join(30)
        listening.close()
