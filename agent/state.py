"""What travels along the graph: the state of one question, and the choices it runs under."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
class RunsTable:
    """A table of runs that comes with a question: its name and its cells by column, unread. `group` chooses among its groups."""

    name: str
    columns: Mapping[str, list[Any]]
    group: str | None = None


@dataclass(frozen=True)
class Context:
    """Choices made outside the question: the law base with the user's own laws, a law to prefer, a language model, who hears the steps.

    `table` holds runs, which are fitted first; `profile` a cluster's own measurements, as `flopwise calibrate` writes them.
    """

    laws: LawBook = field(default_factory=LawBook)
    law: str | None = None
    table: RunsTable | None = None
    profile: Mapping[str, Any] | None = None
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
    asked_at: Annotated[float, UntrackedValue]  # time.monotonic() of the request: a language model's limit counts from it
    view: str  # answer, why, formula: what a follow-up wants to see
    free_form: bool  # no single brief says what is asked: the model calls tools itself
    session: Annotated[Any, UntrackedValue]  # agent.model.Session of this question, never stored
    memo: Annotated[dict[str, Any], UntrackedValue]  # results computed while a model was waited for
    needs: list[list[str]]
    steps: list[Step]
    results: list[Result]
    notices: list[Notice]
    answer: Answer


def with_table(brief: Brief, context: Context) -> Brief:
    """The brief with the attached table named in it, and no longer asked for."""
    if context.table is None or brief.task == "out_of_scope":
        return brief
    missing = [name for name in brief.missing or [] if name != "runs"]
    return brief.changed(runs=context.table.name, missing=missing or None)
