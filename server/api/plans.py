"""`/v1/plans`: a question or a brief in, a plan out, under an id that its content determines."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.concurrency import run_in_threadpool

from agent import ask
from agent.answer import Answer
from agent.brief import Brief
from agent.compose import versions
from agent.state import Context
from knowledge.library import LawBook

router = APIRouter(tags=["plans"])


class PlanIn(BaseModel):
    """A question, or a brief in its place."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field("", max_length=20_000)
    brief: dict[str, Any] | None = None
    law: str | None = Field(None, max_length=200)

    @model_validator(mode="after")
    def _one(self) -> PlanIn:
        if bool(self.question.strip()) == (self.brief is not None):
            raise ValueError("give a question or a brief, one of the two")
        return self


class PlanOut(BaseModel):
    """A plan with its id."""

    id: str
    answer: Answer
    text: str


def plan_id(asked: PlanIn) -> str:
    """Id of a plan: the hash of what was asked, the law base and the program."""
    content = json.dumps({"asked": asked.model_dump(), "versions": versions()}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def compute(asked: PlanIn) -> PlanOut:
    """The plan itself. Raises InputError."""
    context = Context(laws=LawBook(), law=asked.law)
    brief = Brief.read(asked.brief) if asked.brief is not None else None
    answer = ask(asked.question, brief=brief, context=context)
    return PlanOut(id=plan_id(asked), answer=answer, text=answer.text)


@router.post("/plans")
async def make_plan(asked: PlanIn, request: Request, response: Response) -> PlanOut:
    """Make a plan."""
    found = await run_in_threadpool(compute, asked)
    response.headers["ETag"] = f'"{found.id}"'
    return found
