"""How much a person and a workspace may ask a minute, counted in the store and so across processes."""

from __future__ import annotations

from server.slack.memory import Memory
from server.slack.settings import SlackSettings
from server.slack.turn import Turn

WINDOW_SECONDS = 60.0


def over_limit(memory: Memory, settings: SlackSettings, turn: Turn) -> str:
    """Why a turn is refused, in one sentence, or '' where it may go on. The turn itself is counted already. Blocks."""
    team, user = memory.asked(turn.team, turn.user, WINDOW_SECONDS)
    if user > settings.user_per_minute:
        return f"You have asked more than {settings.user_per_minute} times within a minute. Please ask again in a minute."
    if team > settings.team_per_minute:
        return f"This workspace has asked more than {settings.team_per_minute} times within a minute. Please ask again in a minute."
    return ""
