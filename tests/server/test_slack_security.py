"""Signatures, timestamps, replays, tokens, workspaces."""

from __future__ import annotations

import html
import io
import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from slack_sdk.oauth.installation_store import Installation
from sqlmodel import select

from knowledge.errors import InputError
from server import logs
from server.commands.slack import manifest
from server.slack import app
from server.slack.oauth import Installations
from server.slack.sealing import Seal, new_key
from server.slack.settings import BOT_SCOPES, SlackSettings
from server.slack.tables import SlackInstallation
from server.slack.turn import asked_privately, words
from server.slack.uploads import _of_slack
from server.store.engine import Store
from tests.server.slack_fake import TOKEN, FakeSlack, Sender, mention
from tests.server.slack_world import World, served, service_of, slack_settings, until


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with FakeSlack() as fake, served(fake, slack_settings(fake), service_of(tmp_path_factory.mktemp("security"))) as world:
        yield world
        assert fake.violations == []


def test_wrong_signature_old_timestamp_and_replay_are_refused(world: World) -> None:
    body = json.dumps(
        {
            "type": "event_callback",
            "team_id": "T0TEAM",
            "event_id": "EvX",
            "event": mention("best model for 1e22 FLOPs", "1.1", channel="CX"),
        }
    )
    good = world.sender.signed(body, "application/json")
    forged = Sender(world.sender.url, "another secret")
    attempts = {
        "wrong": forged.signed(body, "application/json"),
        "old": world.sender.signed(body, "application/json", time.time() - 301),
        "future": world.sender.signed(body, "application/json", time.time() + 3600),
        "none": {"Content-Type": "application/json"},
        "other body": world.sender.signed(body + " ", "application/json"),
    }
    forged.close()
    assert {name: world.sender.raw(body, headers).status_code for name, headers in attempts.items()} == dict.fromkeys(attempts, 401)
    assert not world.fake.calls
    assert [world.sender.raw(body, good).status_code for _ in range(3)] == [200, 409, 409]
    until(lambda: world.fake.answers("CX"))
    world.settle()
    assert len(world.fake.answers("CX")) == 1


def test_url_verification_and_health(world: World) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "c0ffee", "token": "t"})
    assert world.sender.raw(body, world.sender.signed(body, "application/json")).json() == {"challenge": "c0ffee"}
    assert world.sender.get("/healthz").text == "ok"
    assert world.sender.get("/slack/install").status_code == 404


def test_tokens_and_text_are_not_logged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure("DEBUG", "json")
    try:
        world.fake.tokens.pop(TOKEN)
        world.sender.event(mention("a secret plan for 1e22 FLOPs", world.fake.ts(), channel="CLOG"), "EvLog")
        world.settle()
    finally:
        world.fake.tokens[TOKEN] = "T0TEAM"
        root.handlers, root.level = handlers, level
    assert "invalid_auth" in written.getvalue()
    assert TOKEN not in written.getvalue()
    assert "secret plan" not in written.getvalue()


def test_the_token_goes_to_slack_alone() -> None:
    api = "https://slack.com/api/"
    assert _of_slack("https://files.slack.com/files-pri/T1-F1/runs.csv", api)
    for url in (
        "https://evil.test/runs.csv",
        "http://files.slack.com/x",
        "https://slack.com.evil.test/x",
        "https://evilslack.com/x",
        "file:///etc/passwd",
        "",
    ):
        assert not _of_slack(url, api)


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")  # slack_sdk 3.47 with aiohttp 3.14
def test_two_workspaces_by_oauth_and_one_that_leaves(tmp_path: Path) -> None:
    with FakeSlack() as fake:
        fake.tokens.clear()
        settings = slack_settings(
            fake,
            bot_token=None,
            client_id="1.2",
            client_secret="shh",
            redirect_url="https://x.test/slack/oauth_redirect",
            token_keys=new_key(),
        )
        with served(fake, settings, service_of(tmp_path)) as world:
            for team in ("T1", "T2"):
                page = world.sender.get("/slack/install")
                link = page.headers.get("location") or html.unescape(re.findall(r'href="(https://slack.com/oauth[^"]+)"', page.text)[0])
                state = parse_qs(urlsplit(link).query)["state"][0]
                assert set(parse_qs(urlsplit(link).query)["scope"][0].split(",")) == set(BOT_SCOPES)
                cookie = {"Cookie": page.headers["set-cookie"].split(";")[0]}
                done = world.sender.get(f"/slack/oauth_redirect?code=code-{team}&state={state}", headers=cookie)
                assert done.status_code == 200
                again = world.sender.get(f"/slack/oauth_redirect?code=code-{team}&state={state}", headers=cookie)
                assert again.status_code == 401
            with world.face.store.read() as session:
                kept = json.dumps([row.data for row in session.exec(select(SlackInstallation))])
            assert "xoxb" not in kept
            assert kept.count("sealed") == 2
            for team in ("T1", "T2"):
                world.sender.event(mention("best model for 1e22 FLOPs", "17.5", channel=f"C{team}"), f"Ev{team}", team=team)
            until(lambda: fake.answers("CT1") and fake.answers("CT2"))
            world.settle()
            world.sender.event({"type": "app_uninstalled"}, "EvGone", team="T1")
            until(lambda: world.face.installations._find("", "T1") is None)  # pyright: ignore[reportPrivateUsage]
            world.sender.event(mention("best model for 1e23 FLOPs", "18.5", channel="CT1"), "EvAfter", team="T1")
            world.settle()
            assert len(fake.answers("CT1")) == 1
        assert fake.violations == []


def test_tokens_are_sealed_and_keys_can_be_changed(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/slack.sqlite")
    old, new = new_key(), new_key()

    def token(installations: Installations) -> str | None:
        found = installations._find("", "T1")  # pyright: ignore[reportPrivateUsage]
        return found and found["bot_token"]

    def kept() -> str:
        with store.read() as session:
            return json.dumps(session.exec(select(SlackInstallation)).one().data)

    open_yet = Installations(store, None)  # as tokens were kept before there were keys
    open_yet._save(Installation(user_id="U1", team_id="T1", bot_token="xoxb-1-secret"))  # pyright: ignore[reportPrivateUsage]
    assert "xoxb-1-secret" in kept()
    assert token(Installations(store, Seal(old))) == "xoxb-1-secret"
    assert [Installations(store, Seal(old)).renew_seals() for _ in range(2)] == [1, 0]
    assert "xoxb" not in kept()
    assert token(Installations(store, Seal(f"{new}, {old}"))) == "xoxb-1-secret"
    with pytest.raises(InputError, match="FLOPWISE_SLACK_TOKEN_KEYS"):
        Installations(store, Seal(new)).renew_seals()
    assert Installations(store, Seal(f"{new},{old}")).renew_seals() == 1
    assert token(Installations(store, Seal(new))) == "xoxb-1-secret"
    store.close()
    for wrong in ("", "short", ","):
        with pytest.raises(InputError, match="FLOPWISE_SLACK_TOKEN_KEYS") as told:
            Seal(wrong)
        assert "short" not in str(told.value)


def test_missing_settings_are_named() -> None:
    with pytest.raises(InputError, match="FLOPWISE_SLACK_TOKEN_KEYS"):
        SlackSettings(signing_secret="s", client_id="1", client_secret="c").require(socket=False)
    with pytest.raises(InputError, match="FLOPWISE_SLACK_TOKEN_KEYS"):
        SlackSettings(signing_secret="s", client_id="1", client_secret="c", token_keys="no key").require(socket=False)
    SlackSettings(signing_secret="s", client_id="1", client_secret="c", token_keys=new_key()).require(socket=False)
    with pytest.raises(InputError, match="FLOPWISE_SLACK_APP_TOKEN"):
        SlackSettings(bot_token="xoxb-1").require(socket=True)
    with pytest.raises(InputError, match="FLOPWISE_SLACK_SIGNING_SECRET"):
        SlackSettings(bot_token="xoxb-1").require(socket=False)
    with pytest.raises(InputError, match="FLOPWISE_SLACK_BOT_TOKEN"):
        SlackSettings(signing_secret="s").require(socket=False)


def test_manifest_asks_for_the_scopes_that_are_used() -> None:
    data = json.loads(manifest("https://flopwise.example", socket=False))
    assert set(data["oauth_config"]["scopes"]["bot"]) == set(BOT_SCOPES)
    assert data["settings"]["event_subscriptions"]["request_url"] == "https://flopwise.example/slack/events"
    assert "YOUR-HOST" not in json.dumps(data)
    assert "YOUR-HOST" not in manifest("", socket=True)
    assert len(data["features"]["agent_view"]["suggested_prompts"]) <= 4
    assert 174 <= len(data["display_information"]["long_description"]) <= 4000
    assert len(data["display_information"]["description"]) <= 140


# What each method, event and feature needs, as documented at docs.slack.dev/reference.
_NEEDS = {
    "assistant.threads.setStatus": {"assistant:write"},
    "assistant.threads.setSuggestedPrompts": {"assistant:write"},
    "chat.appendStream": {"chat:write"},
    "chat.delete": {"chat:write"},
    "chat.postEphemeral": {"chat:write"},
    "chat.postMessage": {"chat:write", "chat:write.public"},
    "chat.startStream": {"chat:write"},
    "chat.stopStream": {"chat:write"},
    "chat.update": {"chat:write"},
    "conversations.history": {"channels:history", "groups:history", "im:history", "mpim:history"},
    "conversations.open": {"im:write"},
    "conversations.replies": {"channels:history", "groups:history", "im:history", "mpim:history"},
    "files.completeUploadExternal": {"files:write"},
    "files.getUploadURLExternal": {"files:write"},
    "files.info": {"files:read"},
    "views.open": set[str](),
    "views.publish": set[str](),
    "app_home_opened": set[str](),
    "app_mention": {"app_mentions:read"},
    "app_uninstalled": set[str](),
    "message.channels": {"channels:history"},
    "message.groups": {"groups:history"},
    "message.im": {"im:history"},
    "message.mpim": {"mpim:history"},
    "tokens_revoked": set[str](),
}


def test_scopes_are_those_of_the_methods_and_events_in_use() -> None:
    code = "".join(path.read_text() for path in Path(app.__file__).parent.glob("*.py"))
    called = set(re.findall(r'"((?:assistant|chat|conversations|files|views|users|reactions)\.[a-zA-Z.]+)"', code))
    events = set(json.loads(manifest("", socket=True))["settings"]["event_subscriptions"]["bot_events"])
    assert called | events == set(_NEEDS)
    assert {scope for name in called | events for scope in _NEEDS[name]} | {"commands"} == set(BOT_SCOPES)
    handled = set(re.findall(r'@bolt.event\("(\w+)"\)', code))
    assert {name.split(".")[0] for name in events} == handled - {"assistant_thread_started", "assistant_thread_context_changed"}


@pytest.mark.parametrize(
    ("typed", "private", "question"),
    [
        ("best model for 1e22 FLOPs, only for me", True, "best model for 1e22 FLOPs"),
        ("just for me: best model for 1e22 FLOPs", True, ": best model for 1e22 FLOPs"),
        ("answer privately how big for 1e22", True, "answer how big for 1e22"),
        ("only for mean people", False, "only for mean people"),
    ],
)
def test_asked_privately(typed: str, private: bool, question: str) -> None:
    assert asked_privately(typed) == (private, question)


def test_words_of_a_message() -> None:
    assert words("<@U0BOT>  loss &lt; 2 &amp; <https://a.test|a link> <#C1|general> <tel:+1|8 H100>") == "loss < 2 & a link #general 8 H100"
