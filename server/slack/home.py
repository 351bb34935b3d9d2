"""App Home: what a person planned lately, and how to ask."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from agent.compose import WHAT_TO_ASK
from server.slack.blocks import button, context, section
from server.slack.tables import SlackAnswer
from server.slack.text import bullets, cut, mrkdwn


def home_view(recent: Sequence[SlackAnswer]) -> dict[str, Any]:
    """The view of a person's home tab."""
    how = (
        "Mention me in a channel, write me here, or use `/flopwise`. Drop a CSV of training runs to have a law fitted. "
        "Say _only for me_ for an answer that nobody else sees."
    )
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": "flopwise"}},
        section(how),
        {"type": "divider"},
    ]
    if not recent:
        return {
            "type": "home",
            "blocks": [*blocks, section("*No plans yet.* You can ask, for example:\n" + bullets([mrkdwn(item) for item in WHAT_TO_ASK]))],
        }
    blocks.append(section("*Your recent plans*"))
    for answer in recent:
        blocks.append(
            {
                **section(f"*{mrkdwn(cut(answer.question, 200))}*\n{mrkdwn(cut(answer.headline, 500))}"),
                "accessory": button("Show", "show", answer.plan_id),
            }
        )
        blocks.append(context(f"<!date^{_seconds(answer.created)}^{{date_pretty}} {{time}}|{answer.created[:16]} UTC>"))
    return {"type": "home", "blocks": blocks}


def _seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp())


def prompts() -> list[dict[str, str]]:
    """Suggested prompts of the agent view (Slack takes four)."""
    return [{"title": cut(item, 70), "message": item} for item in WHAT_TO_ASK[:4]]
