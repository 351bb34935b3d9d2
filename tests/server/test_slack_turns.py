"""From a mention to its answer, every button, forms, commands, edits, and what is visible to whom."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.slack_fake import FakeSlack, Fault, mention, press, submit
from tests.server.slack_world import World, served, service_of, slack_settings, until

_ids = itertools.count(1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with (
        FakeSlack() as fake,
        served(fake, slack_settings(fake, public_url="https://plans.test"), service_of(tmp_path_factory.mktemp("slack"))) as world,
    ):
        yield world
        assert fake.violations == []


def ask(world: World, text: str, channel: str, **more: Any) -> dict[str, Any]:
    """Mention the bot in a channel of the test's own; the answer's message."""
    ts = more.pop("ts", None) or world.fake.ts()
    before = len(world.fake.answers(channel))
    assert world.sender.event(mention(text, ts, channel=channel, **more), f"Ev{next(_ids)}").status_code == 200
    until(lambda: len(world.fake.answers(channel)) > before)
    world.settle()
    return world.fake.answers(channel)[-1]


def kinds(message: dict[str, Any]) -> list[str]:
    return [block["type"] for block in message["blocks"]]


def labels(message: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["action_id"]: item for block in message["blocks"] if block["type"] == "actions" for item in block["elements"]}


def said(message: dict[str, Any]) -> str:
    return json.dumps(message["blocks"], ensure_ascii=False)


def test_mention_gives_headline_table_figure_and_buttons_in_one_streamed_message(world: World) -> None:
    message = ask(world, "best model for 1e22 FLOPs", "C1")
    assert kinds(message)[0] == "section"
    assert {"table", "image", "actions"} <= set(kinds(message))
    assert set(labels(message)) == {"other_law", "what_if", "explain", "open", "share"}
    assert labels(message)["open"]["url"].startswith("https://plans.test/#/shared/")
    picture = world.fake.files[next(block for block in message["blocks"] if block["type"] == "image")["slack_file"]["id"]]
    assert picture["content"].startswith(b"\x89PNG")
    assert "Loss" in picture["alt"]
    assert message["streaming"] is False
    assert {step["status"] for step in message["steps"]} >= {"complete"}
    assert len(world.fake.answers("C1")) == 1


def test_a_follow_up_is_read_against_the_turn_before(world: World) -> None:
    first = ask(world, "best model for 1e22 FLOPs", "C2")
    second = ask(world, "and with 1e23 FLOPs?", "C2", thread_ts=first["thread_ts"])
    assert second["thread_ts"] == first["thread_ts"]
    assert second["blocks"][0] != first["blocks"][0]
    assert "params" in said(second)
    elsewhere = ask(world, "and with 1e23 FLOPs?", "C2b")
    assert elsewhere["ts"] != second["ts"]


def test_other_law_by_form(world: World) -> None:
    first = ask(world, "best model for 1e22 FLOPs", "C3")
    world.sender.interaction(press("other_law", labels(first)["other_law"]["value"], first["ts"], first["thread_ts"], channel="C3"))
    view = until(
        lambda: next((view for view in world.fake.views if view["callback_id"] == "other_law" and '"C3"' in view["private_metadata"]), None)
    )
    law = next(option["value"] for option in view["blocks"][0]["element"]["options"] if option["value"] == "hoffmann2022")
    assert world.sender.interaction(submit(view, {"law": law})).status_code == 200
    until(lambda: len(world.fake.answers("C3")) == 2)
    world.settle()
    second = world.fake.answers("C3")[1]
    assert "hoffmann2022" in json.dumps(next(block for block in second["blocks"] if block["type"] == "table"))
    assert second["thread_ts"] == first["thread_ts"]


def test_what_if_by_words_by_field_and_with_an_error(world: World) -> None:
    first = ask(world, "best model for 1e22 FLOPs", "C4")
    world.sender.interaction(press("what_if", labels(first)["what_if"]["value"], first["ts"], first["thread_ts"], channel="C4"))
    view = until(
        lambda: next((view for view in world.fake.views if view["callback_id"] == "what_if" and '"C4"' in view["private_metadata"]), None)
    )
    reply = world.sender.interaction(submit(view, {"compute_flops": "rather a lot"}))
    assert reply.json()["response_action"] == "errors"
    assert set(reply.json()["errors"]) == {"compute_flops"}
    world.sender.interaction(submit(view, {"compute_flops": "3e23"}))
    until(lambda: len(world.fake.answers("C4")) == 2)
    world.sender.interaction(submit(view, {"say": "with 1e24 FLOPs instead"}))
    until(lambda: len(world.fake.answers("C4")) == 3)
    world.settle()
    headlines = [message["blocks"][0]["text"]["text"] for message in world.fake.answers("C4")]
    assert len(set(headlines)) == 3


def test_explain_shows_formula_and_source_in_the_thread(world: World) -> None:
    first = ask(world, "best model for 1e22 FLOPs", "C5")
    world.sender.interaction(press("explain", labels(first)["explain"]["value"], first["ts"], first["thread_ts"], channel="C5"))
    until(lambda: len(world.fake.answers("C5")) == 2)
    text = said(world.fake.answers("C5")[1])
    assert "besiroglu2024" in text
    assert "`" in text


def test_share_posts_the_plan_elsewhere(world: World) -> None:
    first = ask(world, "best model for 1e22 FLOPs", "C6")
    world.sender.interaction(press("share", labels(first)["share"]["value"], first["ts"], first["thread_ts"], channel="C6"))
    view = until(
        lambda: next((view for view in world.fake.views if view["callback_id"] == "share" and '"C6"' in view["private_metadata"]), None)
    )
    world.sender.interaction(submit(view, {"to": "C6OTHER"}))
    until(lambda: world.fake.answers("C6OTHER"))
    assert world.fake.answers("C6OTHER")[0]["blocks"][0] == first["blocks"][0]
    assert "<@U1> asked" in said(world.fake.answers("C6OTHER")[0])


def test_what_is_missing_is_asked_by_form(world: World) -> None:
    first = ask(world, "what loss will a 7B model reach?", "C7")
    assert "needs" in labels(first)
    world.sender.interaction(press("needs", labels(first)["needs"]["value"], first["ts"], first["thread_ts"], channel="C7"))
    view = until(
        lambda: next((view for view in world.fake.views if view["callback_id"] == "needs" and '"C7"' in view["private_metadata"]), None)
    )
    assert {block["block_id"] for block in view["blocks"] if block["type"] == "input"} >= {"tokens", "compute_flops"}
    assert world.sender.interaction(submit(view, {"params_total": "7B"})).json()["response_action"] == "errors"
    assert world.sender.interaction(submit(view, {"params_total": "7B", "tokens": "2T"})).text in ("", "{}")
    until(lambda: len(world.fake.answers("C7")) == 2)
    world.settle()
    assert "nats" in said(world.fake.answers("C7")[1])
    assert "needs" not in labels(world.fake.answers("C7")[1])


def test_only_for_me_is_seen_by_the_asker_alone(world: World) -> None:
    before = len(world.fake.ephemeral)
    assert (
        world.sender.event(
            mention("best model for 3e21 FLOPs, only for me", world.fake.ts(), channel="C8", user="U8"), f"Ev{next(_ids)}"
        ).status_code
        == 200
    )
    until(lambda: len(world.fake.ephemeral) > before)
    world.settle()
    assert world.fake.ephemeral[-1]["user"] == "U8"
    assert not [message for (channel, _), message in world.fake.messages.items() if channel == "C8"]
    button = next(
        item
        for block in world.fake.ephemeral[-1]["blocks"]
        if block["type"] == "actions"
        for item in block["elements"]
        if item["action_id"] == "explain"
    )
    world.sender.interaction(press("explain", button["value"], world.fake.ts(), "", channel="C8", user="U8", ephemeral=True))
    until(lambda: len(world.fake.ephemeral) > before + 1)
    assert not [message for (channel, _), message in world.fake.messages.items() if channel == "C8"]


def test_slash_command_and_message_shortcut(world: World) -> None:
    assert "flopwise" in world.sender.command("help", channel="C9").json()["text"]
    assert world.sender.command("best model for 2e22 FLOPs", channel="C9").text == ""
    until(lambda: world.fake.answers("C9"))
    world.settle()
    assert world.fake.answers("C9")[0].get("thread_ts") is None
    payload = {
        "type": "message_action",
        "callback_id": "plan_this",
        "user": {"id": "U2", "team_id": "T0TEAM"},
        "channel": {"id": "C9"},
        "response_url": "",
        "message": {"type": "message", "user": "U3", "ts": "1700000000.000100", "text": "how long for a 7B on 1T tokens with 64 H100s?"},
    }
    world.sender.interaction(payload)
    until(lambda: len(world.fake.answers("C9")) == 2)
    assert world.fake.answers("C9")[1]["thread_ts"] == "1700000000.000100"


def test_edit_changes_the_answer_and_deletion_takes_it_away(world: World) -> None:
    ts = world.fake.ts()
    first = ask(world, "best model for 1e22 FLOPs", "C10", ts=ts)
    old = json.dumps(first["blocks"])
    changed = {
        "type": "message",
        "subtype": "message_changed",
        "channel": "C10",
        "ts": world.fake.ts(),
        "channel_type": "channel",
        "message": {"user": "U1", "ts": ts, "text": "<@U0BOT> best model for 1e24 FLOPs"},
        "previous_message": {"user": "U1", "ts": ts, "text": "<@U0BOT> best model for 1e22 FLOPs"},
    }
    world.sender.event(changed, f"Ev{next(_ids)}")
    until(lambda: json.dumps(first["blocks"]) != old)
    world.settle()
    assert len(world.fake.answers("C10")) == 1
    follow = ask(world, "and on 5T tokens?", "C10", thread_ts=ts)
    assert follow["thread_ts"] == ts
    unfolded = {**changed, "previous_message": changed["message"], "message": {**changed["message"], "attachments": [{}]}}
    calls = len(world.fake.calls)
    world.sender.event(unfolded, f"Ev{next(_ids)}")
    world.settle()
    assert len(world.fake.calls) == calls
    gone = {
        "type": "message",
        "subtype": "message_deleted",
        "channel": "C10",
        "ts": world.fake.ts(),
        "deleted_ts": ts,
        "channel_type": "channel",
        "previous_message": {"user": "U1", "ts": ts, "text": "x"},
    }
    world.sender.event(gone, f"Ev{next(_ids)}")
    until(lambda: first.get("deleted"))


def changed(ts: str, channel: str, new: str, old: str, world: World) -> dict[str, Any]:
    """The event of an edit, or of a deletion where there is no new text."""
    before = {"user": "U1", "ts": ts, "text": f"<@U0BOT> {old}"}
    event = {"type": "message", "channel": channel, "ts": world.fake.ts(), "channel_type": "channel", "previous_message": before}
    if not new:
        return {**event, "subtype": "message_deleted", "deleted_ts": ts}
    return {**event, "subtype": "message_changed", "message": {**before, "text": f"<@U0BOT> {new}"}}


@pytest.mark.parametrize("new", ["what loss will a 7B model reach on 2T tokens?", ""], ids=["edited", "deleted"])
def test_a_question_changed_while_it_is_being_answered(world: World, new: str) -> None:
    channel, ts, old = f"CHASTY{len(new)}", world.fake.ts(), "best model for 1e22 FLOPs"
    world.fake.faults.append(Fault("files.getUploadURLExternal", status=429, retry_after=1))  # the answer takes its time
    world.sender.event(mention(old, ts, channel=channel), f"Ev{next(_ids)}")
    until(lambda: not world.fake.faults)
    world.sender.event(changed(ts, channel, new, old, world), f"Ev{next(_ids)}")
    world.settle()
    shown = [message for (where, _), message in world.fake.messages.items() if where == channel and not message.get("deleted")]
    assert len(shown) == bool(new)
    assert all("nats/token for 7.00B" in said(message) for message in shown)


def test_direct_message_home_and_suggested_prompts(world: World) -> None:
    ts = world.fake.ts()
    direct = {
        "type": "message",
        "channel_type": "im",
        "channel": "D1",
        "user": "U5",
        "text": "what loss will a 7B model reach on 2T tokens?",
        "ts": ts,
        "event_ts": ts,
    }
    world.sender.event(direct, f"Ev{next(_ids)}")
    until(lambda: world.fake.answers("D1"))
    world.settle()
    assert [call["status"] for call in world.fake.called("assistant.threads.setStatus") if call["channel_id"] == "D1"] == [
        "is planning…",
        "",
    ]
    world.sender.event({"type": "app_home_opened", "user": "U5", "channel": "D1", "tab": "home"}, f"Ev{next(_ids)}")
    home = until(lambda: world.fake.homes.get("U5"))
    assert "7B model reach on 2T" in json.dumps(home)
    show = next(block["accessory"] for block in home["blocks"] if "accessory" in block)
    world.sender.interaction({**press("show", show["value"], "", "", user="U5"), "container": {"type": "view"}, "channel": None})
    shown = until(lambda: next((view for view in world.fake.views if view["callback_id"] == "read"), None))
    assert "nats" in json.dumps(shown)
    world.sender.event({"type": "app_home_opened", "user": "U5", "channel": "D1", "tab": "messages"}, f"Ev{next(_ids)}")
    prompts = until(lambda: world.fake.called("assistant.threads.setSuggestedPrompts"))
    assert 1 <= len(prompts[0]["prompts"]) <= 4


def test_text_of_others_cannot_mark_mention_or_link(world: World) -> None:
    message = ask(world, "best model for 1e22 FLOPs &lt;!channel&gt; *loud* <https://evil.test|click>", "C11")
    for text in (item["text"]["text"] for item in message["blocks"] if item["type"] == "section"):
        assert "<!" not in text
        assert "*loud*" not in text


def test_the_bot_itself_and_talk_of_others_is_left_alone(world: World) -> None:
    calls = len(world.fake.calls)
    for event in (
        {**mention("best model for 1e22 FLOPs", world.fake.ts(), channel="C12"), "bot_id": "B1"},
        {"type": "message", "channel_type": "channel", "channel": "C12", "user": "U1", "text": "lunch?", "ts": world.fake.ts()},
    ):
        assert world.sender.event(event, f"Ev{next(_ids)}").status_code == 200
    world.settle()
    assert len(world.fake.calls) == calls


def test_bad_input_is_one_clear_line(world: World) -> None:
    message = ask(world, "how long for a 7B on 0 tokens with 64 H100s?", "C13")
    assert kinds(message) == ["section"]
    assert "must be positive" in said(message)
