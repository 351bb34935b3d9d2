"""The OpenAI-compatible face: `/v1/chat/completions` and `/v1/models`, so that any OpenAI client can ask.

`/v1/models` lists what answers here, as OpenAI clients expect of that path; the shapes of known models are at `/v1/shapes`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from agent.answer import section_markdown
from agent.brief import Brief
from agent.understand.parser import parse
from knowledge.errors import InputError
from server import sse
from server.auth import Asker
from server.errors import NotThere
from server.models import PlanIn, PlanOut
from server.plans import Made, Plans

router = APIRouter(tags=["openai"])
NAME = "flopwise"


class ModelCard(BaseModel):
    """A model as OpenAI's list shows it."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = NAME


class ModelList(BaseModel):
    """What can be asked here. `shapes` says where the shapes of known models are listed."""

    object: Literal["list"] = "list"
    data: list[ModelCard]
    shapes: str = "/v1/shapes"


class Part(BaseModel):
    """A piece of a message; only text is read."""

    model_config = ConfigDict(extra="allow")

    type: str
    text: str = ""


class ChatMessage(BaseModel):
    """A message of the conversation."""

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[str, Field(max_length=200_000)] | list[Part] | None = None

    @property
    def text(self) -> str:
        """What it says."""
        return self.content if isinstance(self.content, str) else " ".join(part.text for part in self.content or [] if part.type == "text")


class ChatIn(BaseModel):
    """A request of an OpenAI client; settings of sampling are accepted and have no effect, the answers being computed."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(default=NAME, max_length=200)
    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    stream: bool = False


class Said(BaseModel):
    """The answer as a message."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(BaseModel):
    """The one choice there is."""

    index: int = 0
    message: Said
    logprobs: None = None
    finish_reason: Literal["stop"] = "stop"


class ChatOut(BaseModel):
    """A completion. `plan_id` finds the plan with every number's source at `/v1/plans/{plan_id}`."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    plan_id: str


@router.get("/models")
def list_models() -> ModelList:
    """What answers at /v1/chat/completions, as OpenAI clients expect; model shapes are at /v1/shapes."""
    return ModelList(data=[ModelCard(id=NAME)])


@router.get("/models/{model_id}")
def show_model(model_id: str) -> ModelCard:
    """The one model there is."""
    if model_id != NAME:
        raise NotThere("model", model_id)
    return ModelCard(id=NAME)


@router.post("/chat/completions", response_model=ChatOut, responses=sse.DOCUMENTED)
async def complete(asked: ChatIn, request: Request, caller: Asker) -> Response | ChatOut:
    """Answer the last message of a user; earlier ones are its context."""
    plans: Plans = request.app.state.plans
    ident, created = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
    task = asyncio.ensure_future(run_in_threadpool(_make, plans, caller.owner, asked.messages))
    if not asked.stream:
        made = await task
        return ChatOut(id=ident, created=created, model=NAME, choices=[Choice(message=Said(content=made.out.text))], plan_id=made.id)
    return sse.response(_chunks(await task, {"id": ident, "object": "chat.completion.chunk", "created": created, "model": NAME}))


def _make(plans: Plans, owner: str, messages: list[ChatMessage]) -> Made:
    asked = [message.text for message in messages if message.role == "user" and message.text.strip()]
    if not asked or messages[-1].role == "assistant":
        raise InputError("messages", "the last message is not a user's text", "end with a message of role user")
    before = _before(asked[:-1])
    return plans.make(owner, PlanIn(question=asked[-1][:20_001], previous=before.stated() if before else None))


def _before(questions: list[str]) -> Brief | None:
    """The brief that the questions so far have led to; what could not be understood is passed over, as it was answered then."""
    brief: Brief | None = None
    for question in questions[-20:]:
        try:
            read = parse(question, brief).brief
        except InputError:
            continue
        brief = brief if read.task == "out_of_scope" else read
    return brief


async def _chunks(made: Made, head: dict[str, Any]) -> AsyncIterator[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return _data({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})

    yield chunk({"role": "assistant", "content": ""})
    for piece in pieces(made.out):
        yield chunk({"content": piece})
    yield chunk({}, "stop")
    yield b"data: [DONE]\n\n"


def _data(body: dict[str, Any]) -> bytes:
    return sse.event("", body).removeprefix(b"event: \n")


def pieces(plan: PlanOut) -> list[str]:
    """The text of a plan, headline first and then section by section."""
    return [f"**{plan.answer.headline}**", *("\n\n" + section_markdown(section) for section in plan.answer.sections)]
