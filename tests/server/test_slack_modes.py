"""Socket mode, tables dropped into a thread, and acknowledgements while the machine is busy."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.settings import Settings
from server.slack.app import run_socket
from server.slack.settings import SlackSettings
from tests.server.slack_fake import APP_TOKEN, BOT, TEAM, FakeSlack, mention
from tests.server.slack_load import measure
from tests.server.slack_world import served, service_of, slack_settings, until

QUESTION = "what loss will a 7B model reach on 2T tokens?"


@contextmanager
def socketed(settings: SlackSettings, service: Settings) -> Iterator[None]:
    """One process of ours in socket mode."""
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    started = threading.Event()

    async def main() -> None:
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))
        await run_socket(settings, service, stop, on_start=lambda _: started.set())

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="slack-socket")
    thread.start()
    try:
        assert started.wait(20)
        yield
    finally:
        loops[0][0].call_soon_threadsafe(loops[0][1].set)
        thread.join(30)


def test_socket_mode_answers_once_and_connects_again(tmp_path: Path) -> None:
    with FakeSlack() as fake:
        event = {
            "type": "event_callback",
            "team_id": TEAM,
            "api_app_id": "A1",
            "event": mention(QUESTION, fake.ts()),
            "event_id": "EvSocket",
            "authorizations": [{"team_id": TEAM, "user_id": BOT, "is_bot": True}],
        }
        with socketed(slack_settings(fake, app_token=APP_TOKEN, signing_secret=None), service_of(tmp_path)):
            until(lambda: fake.connected)
            sent = [fake.push("events_api", event, f"envelope-{i}") for i in range(3)]
            until(lambda: len(fake.acknowledged) == 3)
            assert max(fake.acknowledged[f"envelope-{i}"][0] - moment for i, moment in enumerate(sent)) < 3.0
            until(fake.answers)
            command = {"command": "/flopwise", "text": "help", "team_id": TEAM, "channel_id": "C1", "user_id": "U1", "trigger_id": "t.1"}
            fake.push("slash_commands", command, "envelope-command")
            until(lambda: "envelope-command" in fake.acknowledged)
            assert "flopwise" in fake.acknowledged["envelope-command"][1]["text"]
            fake.disconnect()
            until(lambda: fake.connected, 40)
            fake.push(
                "events_api", {**event, "event_id": "EvSocket2", "event": mention(QUESTION, fake.ts(), channel="C2")}, "envelope-after"
            )
            until(lambda: fake.answers("C2"))
        assert len(fake.answers()) == 1
        assert fake.violations == []


def runs_csv() -> bytes:
    rng = np.random.default_rng(0)
    flops = np.exp(rng.uniform(np.log(1e18), np.log(1e21), 60))
    params = 0.1 * flops**0.5 * np.exp(rng.uniform(-1, 1, 60))
    tokens = flops / (6 * params)
    loss = (1.8 + 480 / params**0.35 + 2100 / tokens**0.37) * np.exp(0.003 * rng.normal(size=60))
    return ("params,tokens,loss\n" + "".join(f"{n},{d},{v}\n" for n, d, v in zip(params, tokens, loss, strict=True))).encode()


def dropped(fake: FakeSlack, name: str, content: bytes, thread: str, **more: Any) -> dict[str, Any]:
    """A message event with a file, as when somebody drops one into a thread."""
    fake.downloads[name] = content
    file = {"id": "F1", "name": name, "size": len(content), "url_private_download": f"http://127.0.0.1:{fake.port}/files/{name}"}
    ts = fake.ts()
    return {
        "type": "message",
        "subtype": "file_share",
        "channel": "C0CHAN",
        "channel_type": "channel",
        "user": "U1",
        "text": "",
        "ts": ts,
        "event_ts": ts,
        "thread_ts": thread,
        "files": [file],
        **more,
    }


@pytest.mark.parametrize("stream_seconds", [25.0, 0.01], ids=["within the stream", "long"])
def test_a_dropped_table_is_fitted_and_its_law_used_in_the_thread(tmp_path: Path, stream_seconds: float) -> None:
    with (
        FakeSlack() as fake,
        served(fake, slack_settings(fake, stream_seconds=stream_seconds, fit_resamples=100), service_of(tmp_path, jobs_here=True)) as world,
    ):
        world.sender.event(dropped(fake, "runs.csv", runs_csv(), "1700000000.000001", text=f"<@{BOT}>"), "EvFile")
        until(fake.answers, 60)
        world.settle()
        report = fake.answers()[0]
        assert "chinchilla" in json.dumps(report["blocks"])
        assert "alpha" in json.dumps(report["blocks"])
        assert report["thread_ts"] == "1700000000.000001"
        picture = next(block for block in report["blocks"] if block["type"] == "image")
        assert "60 runs" in picture["alt_text"]
        assert fake.files[picture["slack_file"]["id"]]["content"].startswith(b"\x89PNG")
        assert fake.files[picture["slack_file"]["id"]]["alt"] == picture["alt_text"]
        notes = [step for message in fake.messages.values() for step in message.get("steps", []) if step["type"] == "markdown_text"]
        assert bool(notes) == (stream_seconds < 1)
        world.sender.event(mention("what loss will a 1B model reach on 20B tokens?", fake.ts(), thread_ts="1700000000.000001"), "EvAsk")
        until(lambda: len(fake.answers()) == 2)
        world.settle()
        assert "fitted" in json.dumps(fake.answers()[1]["blocks"]).lower() or "runs" in json.dumps(fake.answers()[1]["blocks"])
        assert fake.violations == []


def test_tables_are_told_from_other_files_and_what_is_wrong_is_said(tmp_path: Path) -> None:
    comma = "params;tokens;loss\n" + "".join(line.replace(",", ";").replace(".", ",") + "\n" for line in _rounded())
    files = {
        "decimal commas.csv": comma.encode(),
        "wrong.csv": b"name,city\na,b\n",
        "few.csv": b"params,tokens,loss\n1e8,2e9,3.1\n",
        "binary.csv": b"PK\x03\x04\xff\xfe",
        "sheet.xlsx": b"PK\x03\x04",
        "paper.pdf": b"%PDF",
    }
    said: dict[str, str] = {}
    with FakeSlack() as fake, served(fake, slack_settings(fake, fit_resamples=50), service_of(tmp_path, jobs_here=True)) as world:
        for i, (name, content) in enumerate(files.items()):
            event = dropped(fake, name, content, "", channel=f"D{i}", channel_type="im")
            del event["thread_ts"]
            world.sender.event(event, f"EvDirect{i}")
        for i, name in enumerate(files):
            said[name] = json.dumps(until(lambda i=i: fake.answers(f"D{i}"), 60)[0]["blocks"])
        world.settle()
        calls = len(fake.calls)
        world.sender.event(dropped(fake, "theirs.csv", runs_csv(), "1700000000.000002"), "EvTheirs")
        world.settle()
        # A table among colleagues, in a thread nobody called the app into; what ends the turns before it may come late.
        assert [call for call in fake.calls[calls:] if "1700000000.000002" in str(call)] == []
        assert fake.violations == []
    assert "the runs determine" in said["decimal commas.csv"]
    assert '"alpha"' in said["decimal commas.csv"]
    assert "no column for it" in said["wrong.csv"]
    assert "cannot determine" in said["few.csv"]
    assert "not a text file" in said["binary.csv"]
    assert "/tmp" not in said["binary.csv"]
    assert "save it as CSV" in said["sheet.xlsx"]
    assert "save it as CSV" in said["paper.pdf"]


def _rounded() -> list[str]:
    rows = [line.split(",") for line in runs_csv().decode().splitlines()[1:]]
    return [f"{float(n):.6e},{float(d):.6e},{float(v):.5f}" for n, d, v in rows]


def test_acknowledged_soon_while_plans_are_running(tmp_path: Path) -> None:
    found = measure(tmp_path, plans=2, events=20, processes=1)
    assert found["plans under way at the start"] > 0
    assert found["p99 ms"] < 1000.0  # the target of 200 ms is measured on a quiet machine: python -m tests.server.slack_load
    assert found["answers"] == found["asked"]
