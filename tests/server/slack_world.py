"""The Slack face served on loopback in a thread, against the fake Slack; what the tests of Slack share."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
