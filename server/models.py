"""What goes in and out of the service: the models that routes, jobs and the Python client share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent.answer import Answer
from knowledge.schema import LawCard
from tools.result import Value

Cell = str | float | int | bool | None


class FieldError(BaseModel):
    """One fault: where in the body (JSON pointer) and what would be right."""

    pointer: str
    detail: str
    remedy: str = ""


class NeedField(BaseModel):
    """An entry of the form to fill in: a field, its unit and an example."""

    field: str
    unit: str
    example: str


class Problem(BaseModel):
    """A problem document. `needs` is the form of what is missing; `needs_any_of` the sets of its fields any one of which would do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    errors: list[FieldError] = []
    needs: list[NeedField] = []
    needs_any_of: list[list[str]] = []


class Page(BaseModel):
    """What every page of a listing has; `next` is absent on the last."""

    next: str | None = None


class PlanIn(BaseModel):
    """A question, or a brief in its place. `law`: an id of the base, or of a fit of your own; `previous`: the brief a follow-up refers to.

    `runs`: an uploaded table, to which a law is fitted that answers the rest; `profile`: of your cluster, as `flopwise calibrate` writes it.
    """

    model_config = ConfigDict(extra="forbid")

    question: str = Field(default="", max_length=20_000)
    brief: dict[str, Any] | None = None
    law: str | None = Field(default=None, max_length=200)
    previous: dict[str, Any] | None = None
    runs: str | None = Field(default=None, max_length=64, description="id of an uploaded table")
    group: str | None = Field(default=None, max_length=400, description="which of the table's groups, such as family=a,dataset=b")
    profile: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one(self) -> PlanIn:
        if bool(self.question.strip()) == (self.brief is not None):
            raise ValueError("give a question or a brief, one of the two")
        return self


class PlanOut(BaseModel):
    """A plan with its id. `labels`: the texts of the answer's data by their English in the question's language, where that is another one."""

    id: str
    answer: Answer
    text: str
    labels: dict[str, str] = {}


class PlanLine(BaseModel):
    """A plan in a listing."""

    id: str
    created: str
    question: str
    headline: str


class PlanPage(Page):
    """Plans, newest first."""

    items: list[PlanLine]


class MessageIn(BaseModel):
    """What a person says; `law`: an id of the base, or of a fit of their own."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=20_000)
    law: str | None = Field(default=None, max_length=200)


class MessageLine(BaseModel):
    """A message; an answer names its plan."""

    id: str
    role: str
    text: str
    plan_id: str | None = None
    created: str


class Reply(BaseModel):
    """The answer to a message: both messages and the plan."""

    question: MessageLine
    message: MessageLine
    plan: PlanOut


class ThreadIn(BaseModel):
    """A new thread, or a new title; without a title, the first message gives it."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(default="", max_length=200)


class ThreadOut(BaseModel):
    """A thread in a listing."""

    id: str
    title: str
    created: str
    updated: str


class ThreadFull(ThreadOut):
    """A thread with the first page of its messages, oldest first."""

    messages: list[MessageLine]
    next: str | None = None


class ThreadPage(Page):
    """Threads, newest first."""

    items: list[ThreadOut]


class MessagePage(Page):
    """Messages, oldest first."""

    items: list[MessageLine]


class ShareIn(BaseModel):
    """Which plan to share."""

    model_config = ConfigDict(extra="forbid")

    plan_id: str = Field(max_length=64)


class ShareLine(BaseModel):
    """A link: which plan it shows and whether it still does."""

    id: str
    plan_id: str
    created: str
    revoked: str | None = None


class ShareOut(ShareLine):
    """A new link. The token is told this once; only its hash is kept."""

    token: str
    path: str


class SharePage(Page):
    """Links, newest first."""

    items: list[ShareLine]


class JobLine(BaseModel):
    """A job in a listing. `done` of `total` is its progress."""

    id: str
    kind: str
    status: str
    done: int
    total: int
    note: str
    attempts: int
    retry_of: str | None = None
    created: str
    started: str | None = None
    ended: str | None = None


class JobOut(JobLine):
    """A job with what was asked and, once it has ended, its result or its error (a problem document)."""

    request: dict[str, Any]
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TableRequest(_Strict):
    """A table of runs and how to read it: units by role (`params: B`), the column of a role, C = k N D, which groups."""

    runs: str = Field(max_length=64, description="id of an uploaded table")
    units: dict[str, str] = {}
    columns: dict[str, str] = {}
    group: dict[str, str] = {}
    flops_per_param_token: float = Field(default=6.0, gt=0, le=1e6, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0, le=2**63 - 1)


class FitIn(TableRequest):
    """A law to fit to each chosen group of runs."""

    form: str = Field(default="chinchilla", max_length=64)
    bootstrap: int = Field(default=1000, ge=0, le=10_000)
    resample: Literal["row", "run", "residual", "sandwich"] | None = None


class ForecastIn(TableRequest):
    """Larger runs to predict from a table of smaller ones; `at` is the table of the points."""

    at: str = Field(max_length=64)
    form: str | None = Field(default=None, max_length=64)


class SweepIn(_Strict):
    """Many questions or briefs, each answered by a plan of its own."""

    items: list[PlanIn] = Field(min_length=1, max_length=1000)


class EvalIn(_Strict):
    """The law base checked against its published numbers; of one area where given."""

    area: str | None = Field(default=None, max_length=64)


class RunsLine(BaseModel):
    """An uploaded table."""

    id: str
    name: str
    size: int
    digest: str
    created: str


class RunsPage(Page):
    """Tables, newest first."""

    items: list[RunsLine]


class FitLine(BaseModel):
    """A fitted law in a listing; its id is taken wherever a law is."""

    id: str
    job_id: str
    form: str
    created: str


class FitOut(FitLine):
    """A fit: the report and, where the runs determine a law, its card."""

    report: dict[str, Any]
    card: LawCard | None = None


class FitPage(Page):
    """Fits, newest first."""

    items: list[FitLine]


class JobPage(Page):
    """Jobs, newest first."""

    items: list[JobLine]


class EstimateIn(BaseModel):
    """Rows as a table gives them (columns by name); `profile` as `flopwise calibrate` writes it."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["training", "serving", "runs"]
    rows: list[dict[str, Cell]] = Field(min_length=1, max_length=10_000)
    profile: dict[str, Any] | None = None


class EstimateOut(BaseModel):
    """One row of predictions for each row given; `error` says why a row has none."""

    kind: str
    columns: list[str]
    rows: list[dict[str, Cell]]


class LawLine(BaseModel):
    """A law in a listing."""

    id: str
    title: str
    area: str
    kind: str
    year: int
    summary: str


class EvaluateIn(BaseModel):
    """Inputs of a relation by its own names."""

    model_config = ConfigDict(extra="forbid")

    inputs: dict[str, float | list[float]]
    variant: str | None = None


class EvaluateOut(BaseModel):
    """Outputs of a relation, each with unit, interval and region flags."""

    law: str
    relation: str
    variant: str
    formula: str
    inputs: dict[str, Any]
    coefficients: dict[str, Any]
    values: dict[str, Value]
    outside: list[str]


class ToolLine(BaseModel):
    """A tool: what it answers, what it needs, and the schema of its fields."""

    name: str
    task: str
    title: str
    needs: list[list[str]]
    input_schema: dict[str, Any]
