"""Once and only once: repeated deliveries, several processes, restarts, and a Web API that limits, breaks or hangs."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.slack_fake import FakeSlack, Fault, mention, press
from tests.server.slack_world import World, served, service_of, slack_settings, until

_ids = itertools.count(1)
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


@pytest.fixture(scope="module")
def one_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with FakeSlack() as fake:
        settings = slack_settings(fake, call_timeout_seconds=1)
        with served(fake, settings, service_of(tmp_path_factory.mktemp("delivery"))) as world:
            yield world


@pytest.fixture
def world(one_world: World) -> Iterator[World]:
    """A Slack in which nothing was said yet."""
    one_world.fake.reset()
    yield one_world
    one_world.settle()
    assert one_world.fake.violations == []


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
        ([Fault("chat.startStream", hang=3, done=True)], 0.0),
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
        "stream hangs after",
        "post hangs after",
        "post broken after",
        "answer hangs after",
    ],
)
def test_the_answer_arrives_late_and_once(world: World, faults: list[Fault], fewest_seconds: float) -> None:
    world.fake.faults.extend(faults)
    began = time.monotonic()
    assert world.sender.event(mention(QUESTION, world.fake.ts()), f"Ev{next(_ids)}").status_code == 200
    message = answered(world)
    assert "nats" in json.dumps(message["blocks"])
    assert time.monotonic() - began >= fewest_seconds
    assert not message.get("streaming")


def everywhere(fake: FakeSlack) -> list[str]:
    """Where answers were given, one entry for each: channels of messages, `ephemeral`, `response_url`."""
    open_to_see = [where for (where, _), message in fake.messages.items() if message.get("blocks") and not message.get("deleted")]
    return sorted(
        [*open_to_see, *["ephemeral" for item in fake.ephemeral if item.get("blocks")], *["response_url" for _ in fake.responses]]
    )


@pytest.mark.parametrize(
    ("faults", "where"),
    [
        ([Fault("chat.postEphemeral", status=429)], ["ephemeral"]),
        ([Fault("chat.postEphemeral", code="request_timeout"), Fault("chat.postEphemeral", code="service_unavailable")], ["ephemeral"]),
        ([Fault("chat.postEphemeral", status=500)], ["DU1"]),
        ([Fault("chat.postEphemeral", hang=3)], ["DU1"]),
        ([Fault("chat.postEphemeral", hang=3, done=True)], ["DU1", "ephemeral"]),
        ([Fault("chat.postEphemeral", code="internal_error"), Fault("chat.postMessage", hang=3, done=True)], ["DU1"]),
        (
            [Fault("chat.postEphemeral", status=500), Fault("conversations.open", status=500), Fault("conversations.history", status=429)],
            ["DU1"],
        ),
        ([Fault("chat.postEphemeral", code="msg_blocks_too_long")], ["ephemeral"]),
    ],
    ids=["limited", "not done", "broken", "hangs", "hangs after", "direct hangs after", "direct broken", "too long"],
)
def test_a_private_answer_arrives_and_in_no_place_twice(world: World, faults: list[Fault], where: list[str]) -> None:
    world.fake.faults.extend(faults)
    world.sender.event(mention(f"{QUESTION} only for me", world.fake.ts()), f"Ev{next(_ids)}")
    until(lambda: everywhere(world.fake) == where)
    world.settle()
    assert everywhere(world.fake) == where


@pytest.mark.parametrize(
    ("faults", "where"),
    [
        ([], ["response_url"]),
        ([Fault("response_url", status=429)], ["response_url"]),
        ([Fault("response_url", status=500)], ["DU1"]),
        ([Fault("response_url", status=404)], ["DU1"]),
    ],
    ids=["well", "limited", "broken", "expired"],
)
@pytest.mark.parametrize("private", ["", " only for me"])
def test_a_command_where_the_app_is_no_member(world: World, faults: list[Fault], where: list[str], private: str) -> None:
    world.fake.closed.add("CCLOSED")
    world.fake.faults.extend(faults)
    world.sender.command(QUESTION + private, channel="CCLOSED", response_url=world.fake.response_url)
    until(lambda: everywhere(world.fake) == where)
    world.settle()
    assert everywhere(world.fake) == where
    assert all(said["response_type"] == ("ephemeral" if private else "in_channel") for said in world.fake.responses)


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [Fault("chat.postMessage", status=429)],
        [Fault("chat.postMessage", hang=3, done=True)],
        [Fault("chat.update", hang=3, done=True), Fault("chat.update", status=500)],
    ],
    ids=["well", "limited", "note hangs after", "answer hangs after"],
)
@pytest.mark.parametrize("readable", [True, False])
def test_a_command_is_answered_once_though_the_channel_may_not_be_readable(world: World, faults: list[Fault], readable: bool) -> None:
    if not readable:
        world.fake.open_to_all.add("COPEN")
    world.fake.faults.extend(faults)
    world.sender.command(QUESTION, channel="COPEN")
    until(lambda: everywhere(world.fake))
    world.settle()
    assert everywhere(world.fake) in (["COPEN"], ["DU1"])


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("views.open", status=429)],
        [Fault("views.open", status=500, done=True)],
        [Fault("views.open", hang=1.5, done=True)],
        [Fault("views.open", status=500)],
    ],
    ids=["limited", "broken after", "hangs after", "broken"],
)
def test_a_form_opens_once(world: World, faults: list[Fault]) -> None:
    world.sender.event(mention(QUESTION, world.fake.ts()), f"Ev{next(_ids)}")
    message = answered(world)
    plan = message["blocks"][-1]["elements"][-1]["value"]
    world.fake.faults.extend(faults)
    world.sender.interaction(press("what_if", plan, message["ts"], message["thread_ts"]))
    until(lambda: world.fake.views)
    time.sleep(2.0 if faults[0].hang else 0.8)
    assert [view["callback_id"] for view in world.fake.views] == ["what_if"]
    assert not world.fake.ephemeral


def test_a_form_that_does_not_open_is_told_and_a_plan_to_read_comes_as_a_message(world: World) -> None:
    world.sender.event(mention(QUESTION, world.fake.ts()), f"Ev{next(_ids)}")
    message = answered(world)
    plan = message["blocks"][-1]["elements"][-1]["value"]
    world.fake.faults.extend(Fault("views.open", code="expired_trigger_id") for _ in range(2))
    world.sender.interaction(press("what_if", plan, message["ts"], message["thread_ts"]))
    until(lambda: world.fake.ephemeral)
    assert "press the button again" in world.fake.ephemeral[0]["text"]
    home = {**press("show", plan, "", ""), "container": {"type": "view"}, "channel": None}
    world.sender.interaction(home)
    until(lambda: everywhere(world.fake) == ["C0CHAN", "U1"])
    world.settle()
    assert not world.fake.views


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("files.getUploadURLExternal", status=429)],
        [Fault("files.getUploadURLExternal", hang=3)],
        [Fault("upload", status=500)],
        [Fault("upload", status=429)],
        [Fault("files.completeUploadExternal", status=500, done=True)],
        [Fault("files.completeUploadExternal", hang=3)],
        [Fault("files.info", status=500)],
    ],
    ids=["place limited", "place hangs", "bytes broken", "bytes limited", "completed and broken", "completing hangs", "look broken"],
)
def test_a_figure_arrives_late_and_once(world: World, faults: list[Fault]) -> None:
    world.fake.looks = 3  # Slack takes its time before a file may be shown
    world.fake.faults.extend(faults)
    world.sender.event(mention("best model for 1e22 FLOPs", world.fake.ts()), f"Ev{next(_ids)}")
    assert [block["type"] for block in answered(world)["blocks"]].count("image") == 1


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("files.getUploadURLExternal", code="missing_scope")],
        [Fault("upload", status=500) for _ in range(3)],
        [Fault("chat.stopStream", code="invalid_blocks"), Fault("chat.update", code="message_not_found")],
    ],
    ids=["no scope", "never uploaded", "refused"],
)
def test_a_figure_that_cannot_be_shown_is_left_out(world: World, faults: list[Fault], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.slack.uploads._PAUSES", (0.05, 0.05, 0.05))
    world.fake.faults.extend(faults)
    world.sender.event(mention("best model for 1e22 FLOPs", world.fake.ts()), f"Ev{next(_ids)}")
    shown = [block["type"] for block in answered(world)["blocks"]]
    assert "image" not in shown
    assert "table" in shown


def test_at_the_least_the_headline_arrives(world: World) -> None:
    world.fake.faults.append(Fault("chat.stopStream", code="msg_blocks_too_long"))
    world.sender.event(mention(QUESTION, world.fake.ts()), f"Ev{next(_ids)}")
    message = answered(world)
    assert [block["type"] for block in message["blocks"]] == ["section", "actions"]
    assert "nats" in message["blocks"][0]["text"]["text"]


def test_a_home_tab_arrives_late(world: World) -> None:
    world.fake.faults.extend([Fault("views.publish", status=429), Fault("views.publish", status=500)])
    world.sender.event({"type": "app_home_opened", "user": "U5", "channel": "D1", "tab": "home"}, f"Ev{next(_ids)}")
    until(lambda: world.fake.homes.get("U5"))


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
