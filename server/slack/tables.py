"""The tables of the Slack face: what was received, conversations, answers, installations. Times are ISO 8601 UTC text."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, Index, Text
from sqlmodel import Field, SQLModel

from server.store.tables import now


class SlackEvent(SQLModel, table=True):
    """Something received, by a key that is the same for every delivery of it. `turn` is the work it asks for while `status` is open."""

    __tablename__ = "slack_events"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (Index("ix_slack_events_open", "status", "until"), Index("ix_slack_events_asked", "team", "kind", "created"))

    key: str = Field(primary_key=True, max_length=200)
    kind: str = Field(max_length=16)
    team: str = Field(default="", max_length=32)
    user: str = Field(default="", max_length=32)
    status: str = Field(default="done", max_length=8)
    turn: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    until: str = Field(default="", max_length=32)
    attempts: int = 0
    ts: str = Field(default="", max_length=32, description="the message the answer goes into, once it is open")
    job: str = Field(default="", max_length=64, description="the fit handed in for it")
    created: str = Field(default_factory=now, max_length=32)


class SlackThread(SQLModel, table=True):
    """A conversation; `brief` is what a follow-up is read against. Private ones carry the person in `thread`."""

    __tablename__ = "slack_threads"  # pyright: ignore[reportAssignmentType]

    team: str = Field(primary_key=True, max_length=32)
    channel: str = Field(primary_key=True, max_length=32)
    thread: str = Field(primary_key=True, max_length=64)
    brief: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    last: str = Field(default="", max_length=200, description="key of the answer that set the brief")
    law: str | None = Field(default=None, max_length=200, description="a law fitted in this thread")
    updated: str = Field(default_factory=now, max_length=32)


class SlackAnswer(SQLModel, table=True):
    """An answer that was given: to which message, in which message, and the brief it was read against."""

    __tablename__ = "slack_answers"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        Index("ix_slack_answers_user", "team", "user", "created"),
        Index("ix_slack_answers_source", "team", "channel", "source"),
    )

    key: str = Field(primary_key=True, max_length=200)
    team: str = Field(max_length=32)
    channel: str = Field(max_length=32)
    thread: str = Field(max_length=64)
    user: str = Field(max_length=32)
    source: str = Field(default="", max_length=32)
    ts: str = Field(default="", max_length=32)
    plan_id: str = Field(default="", max_length=64)
    question: str = Field(default="", sa_column=Column(Text, nullable=False))
    headline: str = Field(default="", sa_column=Column(Text, nullable=False))
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    created: str = Field(default_factory=now, max_length=32)


class SlackInstallation(SQLModel, table=True):
    """The app in one workspace (or one Enterprise Grid organisation, then `team` is empty)."""

    __tablename__ = "slack_installations"  # pyright: ignore[reportAssignmentType]

    enterprise: str = Field(default="", primary_key=True, max_length=32)
    team: str = Field(default="", primary_key=True, max_length=32)
    data: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    updated: str = Field(default_factory=now, max_length=32)


class SlackState(SQLModel, table=True):
    """A state parameter of an installation under way, by its hash; it is used once."""

    __tablename__ = "slack_states"  # pyright: ignore[reportAssignmentType]

    digest: str = Field(primary_key=True, max_length=64)
    expires: str = Field(max_length=32)
