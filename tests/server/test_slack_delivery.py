"""Once and only once: repeated deliveries, several processes, restarts, and a Web API that limits, breaks or hangs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.slack_fake import FakeSlack, Fault, mention
from tests.server.slack_world import World, served, service_of, slack_settings, until

QUESTION = "what loss will a 7B model reach on 2T tokens?"


@pytest.fixture
def fake() -> Iterator[FakeSlack]:
    with FakeSlack() as fake:
        yield fake
        assert fake.violations == []


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    from agent import ask

    ask(QUESTION)


@pytest.fixture
def world(fake: FakeSlack, tmp_path: Path) -> Iterator[World]:
    with served(fake, slack_settings(fake, call_timeout_seconds=1), service_of(tmp_path)) as world:
        yield world


def answered(world: World, channel: str = "C0CHAN") -> dict[str, Any]:
    until(lambda: world.fake.answers(channel))
    world.settle()
    assert len(world.fake.answers(channel)) == 1
    shown = [
        message
        for (where, _), message in world.fake.messages.items()
        if where == channel and not message.get("deleted") and message.get("text")
    ]
    assert len(shown) <= 1
    return world.fake.answers(channel)[0]


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_one_answer_for_five_deliveries_to_two_processes_across_a_restart(
    fake: FakeSlack, tmp_path: Path, postgres_url: Callable[[str], str], database: str
) -> None:
    service = service_of(tmp_path, database_url=postgres_url("slack_once") if database == "postgres" else "")
    settings, event = slack_settings(fake), mention(QUESTION, fake.ts())
    with served(fake, settings, service) as one, served(fake, settings, service) as two:
        replies = [world.sender.event(event, "EvSame", retry=i) for i, world in enumerate((one, two, two, one))]
        assert [reply.status_code for reply in replies] == [200] * 4
        one.settle()
        two.settle()
    with served(fake, settings, service) as again:
        assert again.sender.event(event, "EvSame", retry=3).status_code == 200
        also_as_message = {**event, "type": "message", "files": [{"name": "x.txt"}]}
        assert again.sender.event(also_as_message, "EvOther").status_code == 200
        again.settle()
    assert len(fake.answers()) == 1
    assert len([call for call in fake.calls if call[0] in ("chat.postMessage", "chat.startStream")]) == 1


@pytest.mark.parametrize(
    ("faults", "fewest_seconds"),
    [
        ([Fault("chat.stopStream", status=429, retry_after=2)], 2.0),
        ([Fault("*", status=429, retry_after=1) for _ in range(3)], 1.0),
        ([Fault("chat.stopStream", status=500), Fault("chat.stopStream", status=503)], 0.0),
        ([Fault("chat.stopStream", status=500, done=True)], 0.0),
        ([Fault("chat.stopStream", hang=3)], 1.0),
        ([Fault("chat.stopStream", hang=3, done=True)], 1.0),
        ([Fault("chat.stopStream", code="message_not_in_streaming_state")], 0.0),
        ([Fault("chat.startStream", code="method_not_supported_for_channel_type")], 0.0),
        ([Fault("chat.startStream", hang=3)], 0.0),
        ([Fault("chat.startStream", code="unknown_method"), Fault("chat.postMessage", hang=3, done=True)], 0.0),
        (
            [
                Fault("chat.startStream", code="unknown_method"),
                Fault("chat.postMessage", status=500, done=True),
                Fault("chat.postMessage", status=500),
            ],
            0.0,
        ),
        (
            [
                Fault("chat.startStream", code="unknown_method"),
                Fault("chat.postMessage", code="not_allowed"),
                Fault("chat.postMessage", hang=3, done=True),
            ],
            0.0,
        ),
    ],
    ids=[
        "limited",
        "all limited",
        "broken",
        "broken after",
        "hangs",
        "hangs after",
        "stream expired",
        "no streams",
        "stream hangs",
        "post hangs after",
        "post broken after",
        "answer hangs after",
    ],
)
def test_the_answer_arrives_late_and_once(world: World, faults: list[Fault], fewest_seconds: float) -> None:
    world.fake.faults.extend(faults)
    began = time.monotonic()
    assert world.sender.event(mention(QUESTION, world.fake.ts()), "Ev1").status_code == 200
    message = answered(world)
    assert "nats" in json.dumps(message["blocks"])
    assert time.monotonic() - began >= fewest_seconds
    assert not message.get("streaming")


def test_a_private_answer_waits_for_the_limit_and_is_not_repeated(world: World) -> None:
    world.fake.faults.extend([Fault("chat.postEphemeral", status=429), Fault("chat.postEphemeral", hang=3, done=True)])
    world.sender.event(mention(f"{QUESTION} only for me", world.fake.ts()), "Ev1")
    until(lambda: world.fake.ephemeral)
    world.settle()
    assert len(world.fake.ephemeral) == 1


def test_a_figure_that_cannot_be_uploaded_is_left_out(world: World) -> None:
    world.fake.faults.append(Fault("files.getUploadURLExternal", code="missing_scope"))
    world.sender.event(mention("best model for 1e22 FLOPs", world.fake.ts()), "Ev1")
    assert "image" not in [block["type"] for block in answered(world)["blocks"]]


def test_a_turn_of_a_process_that_went_is_taken_over_once(fake: FakeSlack, tmp_path: Path) -> None:
    settings, service = slack_settings(fake, lease_seconds=1.0, patience_seconds=30), service_of(tmp_path)
    with served(fake, settings, service) as world:
        fake.faults.append(Fault("chat.startStream", code="unknown_method"))
        fake.faults.append(Fault("chat.update", hang=3))  # the answer is under way when the process goes
        world.sender.event(mention(QUESTION, fake.ts()), "Ev1")
        until(lambda: fake.called("chat.update"))
        for task in list(world.face.desk._running.values()):  # pyright: ignore[reportPrivateUsage]
            world._loop.call_soon_threadsafe(task.cancel)  # pyright: ignore[reportPrivateUsage]
    with served(fake, settings, service) as one, served(fake, settings, service) as two:
        until(fake.answers)
        one.settle()
        two.settle()
        time.sleep(0.5)
    assert len(fake.answers()) == 1
    assert len(fake.called("chat.postMessage")) == 1


def test_who_asks_too_often_is_told_and_others_are_answered(fake: FakeSlack, tmp_path: Path) -> None:
    with served(fake, slack_settings(fake, user_per_minute=2, team_per_minute=4), service_of(tmp_path)) as world:
        for i in range(4):
            world.sender.event(mention(QUESTION, fake.ts(), channel=f"C{i}", user="U1"), f"Ev{i}")
            world.settle()
        world.sender.event(mention(QUESTION, fake.ts(), channel="C8", user="U2"), "Ev8")
        world.settle()
        assert [bool(fake.answers(f"C{i}")) for i in (0, 1, 2, 3, 8)] == [True, True, False, False, False]
        assert [item["user"] for item in fake.ephemeral] == ["U1", "U1", "U2"]
        assert "workspace" in fake.ephemeral[2]["text"]
