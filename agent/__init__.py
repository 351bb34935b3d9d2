"""Understanding a question, planning tool calls and wording the answer. It chooses and words; it never computes a number."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
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
    asked_at: float | None = None,
) -> Answer:
    """The answer to a question (or to a brief given in its place). `previous` is the brief of the turn before.

    `on_event` hears each tool step as it starts and ends; `asked_at` is time.monotonic() of the request, from which a language model's
    limit counts (now, by default). Raises InputError for a question that cannot be meant.
    """
    asked_at = time.monotonic() if asked_at is None else asked_at  # before the imports, which take their part of the limit
    from agent.graph import build
    from agent.state import Context

    context = context or Context()
    if on_event is not None:
        context = replace(context, on_event=on_event)
    state: dict[str, Any] = {"question": question, "context_brief": previous, "asked_at": asked_at}
    if brief is not None:
        state["brief"] = brief
    # Without the mode `custom` each node runs in this thread; with it, LangGraph starts two threads a question.
    *_, final = build().stream(state, context=context, stream_mode="values", output_keys="answer")
    return final
