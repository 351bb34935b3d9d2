"""The tables of the Slack face: received events, conversations, answers, installations, states."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0100_slack"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the five tables."""
    op.create_table(
        "slack_events",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("team", sa.String(32), nullable=False),
        sa.Column("user", sa.String(32), nullable=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("turn", sa.JSON(), nullable=True),
        sa.Column("until", sa.String(32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("ts", sa.String(32), nullable=False),
        sa.Column("job", sa.String(64), nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_slack_events_open", "slack_events", ["status", "until"])
    op.create_index("ix_slack_events_asked", "slack_events", ["team", "kind", "created"])
    op.create_table(
        "slack_threads",
        sa.Column("team", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("thread", sa.String(64), nullable=False),
        sa.Column("brief", sa.JSON(), nullable=True),
        sa.Column("last", sa.String(200), nullable=False),
        sa.Column("law", sa.String(200), nullable=True),
        sa.Column("updated", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("team", "channel", "thread"),
    )
    op.create_table(
        "slack_answers",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("team", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("thread", sa.String(64), nullable=False),
        sa.Column("user", sa.String(32), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("ts", sa.String(32), nullable=False),
        sa.Column("plan_id", sa.String(64), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("headline", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("created", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_slack_answers_user", "slack_answers", ["team", "user", "created"])
    op.create_index("ix_slack_answers_source", "slack_answers", ["team", "channel", "source"])
    op.create_table(
        "slack_installations",
        sa.Column("enterprise", sa.String(32), nullable=False),
        sa.Column("team", sa.String(32), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("updated", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("enterprise", "team"),
    )
    op.create_table(
        "slack_states",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expires", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("slack_states", "slack_installations", "slack_answers", "slack_threads", "slack_events"):
        op.drop_table(name)
