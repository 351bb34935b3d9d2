"""What travels along the graph: the state of one question, and the choices it runs under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from langgraph.channels import UntrackedValue
from pydantic import SecretStr

from agent.answer import Answer
from agent.brief import Brief
from knowledge.library import LawBook
from tools.result import Notice, Result


@dataclass(frozen=True)
class Step:
    """One tool call. `case` holds the compared values this call is for; `fields` what the planner adds of its own."""

    tool: str
    why: str
    case: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def asked(self) -> bool:
        """Whether the question asks for this, or it follows from another step."""
        return self.why == "asked"


@dataclass(frozen=True)
class Context:
    """Choices made outside the question: the law base with the user's own laws, a law to prefer, a language model, who hears the steps."""

    laws: LawBook = field(default_factory=LawBook)
    law: str | None = None
    model: str | None = None
    base_url: str | None = None
    api_key: SecretStr | None = None
    model_timeout_seconds: float = 20.0
    interactive: bool = False
    on_event: Callable[[dict[str, Any]], None] | None = None  # without one, steps go to the graph's stream


class AskState(TypedDict, total=False):
    """The graph's state; every node returns the part it adds."""

    question: str
    context_brief: Brief | None
    brief: Brief
    understood_by: str
    view: str  # answer, why, formula: what a follow-up wants to see
    free_form: bool  # no single brief says what is asked: the model calls tools itself
    session: Annotated[Any, UntrackedValue]  # agent.model.Session of this question, never stored
    memo: Annotated[dict[str, Any], UntrackedValue]  # results computed while a model was waited for
    needs: list[list[str]]
    steps: list[Step]
    results: list[Result]
    notices: list[Notice]
    answer: Answer
