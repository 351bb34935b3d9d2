"""The tables of the store. Every row but workers' heartbeats belongs to one owner; times are ISO 8601 UTC text, so that they sort."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field, SQLModel


def now() -> str:
    """The present moment, such as 2026-11-22T02:40:00.123456Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_id(kind: str) -> str:
    """A fresh unguessable id, such as thread_9f2c..."""
    return f"{kind}_{secrets.token_hex(12)}"


class Plan(SQLModel, table=True):
    """A plan as it was answered. The id is the hash of what determines the content; each owner keeps their own row."""

    __tablename__ = "plans"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (Index("ix_plans_owner_created", "owner", "created", "id"),)

    owner: str = Field(primary_key=True, max_length=64)
    id: str = Field(primary_key=True, max_length=64)
    question: str = Field(sa_column=Column(Text, nullable=False))
    headline: str = Field(sa_column=Column(Text, nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    events: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    created: str = Field(default_factory=now, max_length=32)


class Thread(SQLModel, table=True):
    """A conversation; `brief` is the last turn's, which a follow-up is read against."""

    __tablename__ = "threads"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (Index("ix_threads_owner_created", "owner", "created", "id"),)

    id: str = Field(default_factory=lambda: new_id("thread"), primary_key=True, max_length=64)
    owner: str = Field(max_length=64)
    title: str = Field(default="", max_length=200)
    brief: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    created: str = Field(default_factory=now, max_length=32)
    updated: str = Field(default_factory=now, max_length=32)


class Message(SQLModel, table=True):
    """One message of a thread; an answer refers to the plan that holds it whole."""

    __tablename__ = "messages"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (Index("ix_messages_thread", "thread_id", "created", "id"),)

    id: str = Field(default_factory=lambda: new_id("message"), primary_key=True, max_length=64)
    thread_id: str = Field(foreign_key="threads.id", ondelete="CASCADE", max_length=64)
    owner: str = Field(max_length=64)
    role: str = Field(max_length=16)
    text: str = Field(sa_column=Column(Text, nullable=False))
    plan_id: str | None = Field(default=None, max_length=64)
    created: str = Field(default_factory=now, max_length=32)


class Runs(SQLModel, table=True):
    """An uploaded table of runs, byte for byte."""

    __tablename__ = "runs"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (Index("ix_runs_owner_created", "owner", "created", "id"),)

    id: str = Field(default_factory=lambda: new_id("runs"), primary_key=True, max_length=64)
    owner: str = Field(max_length=64)
    name: str = Field(max_length=200)
    digest: str = Field(max_length=64)
    size: int
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created: str = Field(default_factory=now, max_length=32)


class Fit(SQLModel, table=True):
    """A fitted law: the report of the fit and, where the runs determine one, the law card."""

    __tablename__ = "fits"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (Index("ix_fits_owner_created", "owner", "created", "id"), UniqueConstraint("job_id", "place"))

    id: str = Field(default_factory=lambda: new_id("fit"), primary_key=True, max_length=64)
    owner: str = Field(max_length=64)
    job_id: str = Field(max_length=64)
    place: int = Field(default=0, description="which of the job's fits, one for each group of runs")
    form: str = Field(max_length=64)
    report: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    card: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    created: str = Field(default_factory=now, max_length=32)


class Job(SQLModel, table=True):
    """Work that outlives a request. `status`: queued, running, done, failed or cancelled; the last three are final."""

    __tablename__ = "jobs"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (Index("ix_jobs_owner_created", "owner", "created", "id"), Index("ix_jobs_status", "status"))

    id: str = Field(default_factory=lambda: new_id("job"), primary_key=True, max_length=64)
    owner: str = Field(max_length=64)
    kind: str = Field(max_length=32)
    request: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    status: str = Field(default="queued", max_length=16)
    done: int = 0
    total: int = 0
    note: str = Field(default="", max_length=400)
    attempts: int = Field(default=0, description="how often a worker has begun it: more than once after a crash")
    retry_of: str | None = Field(default=None, max_length=64)
    result: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    created: str = Field(default_factory=now, max_length=32)
    started: str | None = Field(default=None, max_length=32)
    ended: str | None = Field(default=None, max_length=32)


class Share(SQLModel, table=True):
    """A read-only link to one plan. Only the hash of its token is kept."""

    __tablename__ = "shares"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (Index("ix_shares_owner_created", "owner", "created", "id"),)

    id: str = Field(default_factory=lambda: new_id("share"), primary_key=True, max_length=64)
    owner: str = Field(max_length=64)
    plan_id: str = Field(max_length=64)
    digest: str = Field(max_length=64, unique=True)
    created: str = Field(default_factory=now, max_length=32)
    revoked: str | None = Field(default=None, max_length=32)


class ApiKey(SQLModel, table=True):
    """A key: its first characters to recognise it by, and the hash of the whole."""

    __tablename__ = "keys"  # pyright: ignore[reportAssignmentType]

    id: str = Field(default_factory=lambda: new_id("key"), primary_key=True, max_length=64)
    owner: str = Field(index=True, max_length=64)
    name: str = Field(default="", max_length=200)
    prefix: str = Field(max_length=16)
    digest: str = Field(max_length=64, unique=True)
    scopes: list[str] = Field(sa_column=Column(JSON, nullable=False))
    created: str = Field(default_factory=now, max_length=32)
    expires: str | None = Field(default=None, max_length=32)
    revoked: str | None = Field(default=None, max_length=32)


class Audit(SQLModel, table=True):
    """Who did what to what; rows are only added."""

    __tablename__ = "audit"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (Index("ix_audit_owner_created", "owner", "created", "id"), Index("ix_audit_subject", "subject"))

    id: str = Field(default_factory=lambda: new_id("audit"), primary_key=True, max_length=64)
    owner: str = Field(max_length=64)
    actor: str = Field(default="", max_length=64)
    action: str = Field(max_length=64)
    subject: str = Field(default="", max_length=64)
    created: str = Field(default_factory=now, max_length=32)


class Idempotency(SQLModel, table=True):
    """The answer to a request made under an Idempotency-Key; `status` 0 while it is being made."""

    __tablename__ = "idempotency"  # pyright: ignore[reportAssignmentType]

    owner: str = Field(primary_key=True, max_length=64)
    key: str = Field(primary_key=True, max_length=200)
    digest: str = Field(max_length=64)
    status: int = 0
    headers: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    body: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    created: str = Field(default_factory=now, max_length=32)


class Worker(SQLModel, table=True):
    """A worker's heartbeat; work of one that stays silent is taken over."""

    __tablename__ = "workers"  # pyright: ignore[reportAssignmentType]

    id: str = Field(primary_key=True, max_length=128)
    seen: str = Field(default_factory=now, max_length=32)
