"""A real server in a process of its own, and a real browser, for tests of the page."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def need_browser() -> str:
    """The path of Chromium; skips the test where it or playwright is absent."""
    pytest.importorskip("playwright", reason="playwright is not installed (extra `test`)")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    return CHROMIUM


@contextmanager
def served(folder: Path, **settings: str) -> Iterator[str]:
    """The address of a server whose data is in a folder of its own; further FLOPWISE_* variables by name."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "server.log").open("wb")
    variables = {name: value for name, value in os.environ.items() if not name.startswith("FLOPWISE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "server.cli", "serve", "--port", str(port)],
        stdout=log,
        stderr=log,
        env={**variables, "FLOPWISE_DATA_DIR": str(folder), **{f"FLOPWISE_{name.upper()}": text for name, text in settings.items()}},
        cwd=Path(__file__).parents[2],
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address, process, folder)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _wait(address: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {(folder / 'server.log').read_text()[-2000:]}")
        try:
            if httpx.get(f"{address}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError("the server did not come up within a minute")
