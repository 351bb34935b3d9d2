"""One thing to do for somebody in Slack, and reading it out of what Slack sends."""

from __future__ import annotations

import html
import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_SHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")  # meant as tables, so that somebody says why they are not read
_PRIVATE = re.compile(
    r"(?i)[\s,;(]*\b(?:just|only)\s+(?:for|to)\s+me\b(?:\s*,?\s*please)?\)?|\bprivately\b|\bonly\s+i\s+(?:may|should|can)\s+see\b"
)
_LINK = re.compile(r"<(?:https?|mailto|tel):[^>|]*\|([^>]*)>|<((?:https?|mailto|tel):[^>]*)>")
_MENTION = re.compile(r"<@[A-Z0-9]+(?:\|[^>]*)?>")
_CHANNEL = re.compile(r"<#[A-Z0-9]+\|([^>]*)>")


class Turn(BaseModel):
    """A question, a brief, an explanation, a table to fit or a change of an earlier message. `key` is the same for every delivery of it."""

    model_config = ConfigDict(frozen=True)

    key: str
    kind: Literal["question", "plan", "explain", "share", "fit", "edit", "delete"]
    team: str
    enterprise: str = ""
    channel: str
    thread: str = ""  # the message it is answered under; empty: in the channel itself
    source: str = ""  # the message that asks
    user: str
    text: str = ""
    private: bool = False
    called: bool = True  # whether the app was spoken to, in words or by its own buttons
    brief: dict[str, Any] | None = None
    law: str | None = None
    plan_id: str = ""
    file: dict[str, Any] | None = None
    response_url: str = ""

    @property
    def owner(self) -> str:
        """Who the workspace's plans belong to."""
        return f"slack:{self.team or self.enterprise}"

    @property
    def conversation(self) -> str:
        """The key of the conversation within its channel; a private one is the asker's own."""
        return f"{self.thread}:{self.user}" if self.private else self.thread


def message_key(team: str, channel: str, ts: str) -> str:
    """The key of the turn that a message asks for."""
    return f"message:{team}:{channel}:{ts}"


def words(text: str) -> str:
    """What was typed: entities undone, links as their text, mentions left out."""
    text = _CHANNEL.sub(r"#\1", _MENTION.sub(" ", text))
    text = _LINK.sub(lambda found: found.group(1) or found.group(2), text)
    return " ".join(html.unescape(text).split())


def asked_privately(text: str) -> tuple[bool, str]:
    """Whether the answer is for the asker alone, and the question without that request."""
    rest = _PRIVATE.sub(" ", text)
    return rest != text, " ".join(rest.split()).strip(" ,;")


def of_message(event: dict[str, Any], body: dict[str, Any]) -> Turn | None:
    """The turn of a message event that speaks to the app, or None. Several deliveries of one message give one key."""
    team, channel, ts = body.get("team_id", ""), event.get("channel", ""), event.get("ts", "")
    if event.get("bot_id") or not event.get("user") or event.get("subtype") not in (None, "file_share", "thread_broadcast"):
        return None
    direct = event.get("channel_type") == "im"
    bots = [f"<@{item.get('user_id')}" for item in body.get("authorizations") or []]
    mentioned = event.get("type") == "app_mention" or any(bot in event.get("text", "") for bot in bots)
    private, text = asked_privately(words(event.get("text", "")))
    file = _table(event.get("files") or [], alone=(direct or mentioned) and not text)
    if not (direct or event.get("type") == "app_mention" or (file and (mentioned or event.get("thread_ts")))):
        return None
    if not text and file is None:
        return None
    slim = {name: file.get(name) for name in ("id", "name", "size", "url_private_download", "url_private")} if file else None
    return Turn(
        key=message_key(team, channel, ts),
        kind="fit" if file else "question",
        team=team,
        enterprise=body.get("enterprise_id") or "",
        channel=channel,
        thread=event.get("thread_ts") or ts,
        source=ts,
        user=event["user"],
        text=text,
        private=private and not direct,
        called=direct or mentioned,
        file=slim,
    )


def _table(files: list[dict[str, Any]], alone: bool) -> dict[str, Any] | None:
    """The first file that is a table of runs or meant as one; of a message that is but a file (`alone`) whatever it is."""
    named = [(str(file.get("name", "")).lower(), file) for file in files]
    for ends in (TABLES, _SHEETS, ("",) if alone else ()):
        if found := [file for name, file in named if name.endswith(ends)]:
            return found[0]
    return None


def of_change(event: dict[str, Any], body: dict[str, Any]) -> Turn | None:
    """The turn of an edit or a deletion of somebody's message, or None for what needs nothing (links unfolding, the app's own updates)."""
    before, after = event.get("previous_message") or {}, event.get("message") or {}
    if before.get("bot_id") or after.get("bot_id") or after.get("files"):
        return None  # what is asked by a file does not change with the words beside it
    kind: Any = {"message_changed": "edit", "message_deleted": "delete"}.get(event.get("subtype", ""))
    if kind == "edit" and after.get("subtype") == "tombstone":
        kind = "delete"  # a message that has replies is emptied, not removed
    if kind is None or (kind == "edit" and words(after.get("text", "")) == words(before.get("text", ""))):
        return None
    source = after.get("ts") or before.get("ts") or event.get("deleted_ts", "")
    private, text = asked_privately(words(after.get("text", "")))
    return Turn(
        key=f"event:{body.get('event_id', '')}",
        kind=kind,
        team=body.get("team_id", ""),
        enterprise=body.get("enterprise_id") or "",
        channel=event.get("channel", ""),
        thread=after.get("thread_ts") or before.get("thread_ts") or source,
        source=source,
        user=after.get("user") or before.get("user") or "",
        text=text,
        private=private and event.get("channel_type") != "im",
    )
