"""Understanding a question, planning tool calls and wording the answer. It chooses and words; it never computes a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.answer import Answer
    from agent.brief import Brief
    from agent.state import Context

__all__ = ["ask"]


def ask(
    question: str = "",
    *,
    brief: Brief | None = None,
    previous: Brief | None = None,
    context: Context | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> Answer:
    """The answer to a question (or to a brief given in its place). `previous` is the brief of the turn before.

    `on_event` hears each tool step as it starts and ends. Raises InputError for a question that cannot be meant.
    """
    from agent.graph import build
    from agent.state import Context

    state: dict[str, Any] = {"question": question, "context_brief": previous}
    if brief is not None:
        state["brief"] = brief
    final: Any = None
    for mode, chunk in build().stream(state, context=context or Context(), stream_mode=["custom", "values"]):
        if mode == "custom" and on_event is not None:
            on_event(chunk)
        elif mode == "values":
            final = chunk
    return final["answer"]
