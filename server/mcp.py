"""The MCP server: every tool with structured output, the whole question-to-plan route as `ask`, laws as resources, prompts."""

from __future__ import annotations

import functools
import json
from typing import Any
from urllib.parse import unquote

import anyio.to_thread
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.compose import versions
from knowledge.errors import InputError
from knowledge.library import LawBook
from knowledge.search import search
from server.errors import NotThere, of_input
from server.models import PlanIn, PlanOut
from server.plans import Plans, answer_plan, plan_id
from tools.registry import MODULES, all_tools, call
from tools.result import Result

INSTRUCTIONS = (
    "Answers planning questions about training and serving models with numbers from published scaling laws. `ask` takes a question in plain "
    "words; the other tools compute one thing each from named fields in canonical units (FLOP, params, tokens, USD, s, bytes). Quote numbers "
    "as the tools give them, with their intervals and laws. Laws are resources law://ID; `search_laws` finds them."
)
_PAGE = 100


class AskIn(BaseModel):
    """A question in plain words; `law`: an id to prefer; `previous`: the brief of the answer this follows up."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(min_length=1, max_length=20_000)
    law: str | None = Field(default=None, max_length=200)
    previous: dict[str, Any] | None = None


class SearchIn(BaseModel):
    """Words to find laws by."""

    model_config = ConfigDict(extra="forbid")

    words: str = Field(min_length=1, max_length=500)
    limit: int = Field(default=10, ge=1, le=50)


class Found(BaseModel):
    """A law that fits the words, or a paper without one (`law` is empty and `reason` says why)."""

    law: str
    title: str
    area: str
    summary: str
    reason: str = ""


class SearchOut(BaseModel):
    """What was found, best first."""

    hits: list[Found]


PROMPTS: dict[str, tuple[str, dict[str, str], str]] = {
    "plan_training": (
        "Plan a training run",
        {"budget": "compute, money or accelerator time, such as `1e22 FLOP` or `8 H100s for a week`"},
        "Plan a training run within {budget}. Call `ask` with that, then explain the size, the tokens, the expected loss with its interval, and "
        "what was assumed. Name the law of every number.",
    ),
    "explain_law": (
        "Explain a law",
        {"law": "id of a law, such as besiroglu2024"},
        "Read the resource law://{law}. Explain what it predicts from what, its formula with coefficients, where it was fitted and where it must "
        "not be used.",
    ),
    "compare_laws": (
        "Compare what laws say",
        {"question": "a question that several laws answer"},
        "Answer `{question}` with `ask`, then with `compare_laws`. Say where the laws agree, where they do not, and why.",
    ),
}


@functools.cache
def _tools() -> list[types.Tool]:
    safe = types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
    listed = [
        types.Tool(
            name="ask",
            title="Answer a question",
            description="Answer a planning question in plain words.",
            input_schema=AskIn.model_json_schema(),
            output_schema=PlanOut.model_json_schema(mode="serialization"),
            annotations=safe,
        ),
        types.Tool(
            name="search_laws",
            title="Find laws",
            description="Find laws and papers by words.",
            input_schema=SearchIn.model_json_schema(),
            output_schema=SearchOut.model_json_schema(),
            annotations=safe,
        ),
    ]
    result = Result.model_json_schema(mode="serialization")
    for tool in all_tools():
        ways = " or ".join(" + ".join(way) for way in tool.needs)
        text = f"{tool.title}." + (f" Needs {ways}." if ways else "")
        listed.append(
            types.Tool(
                name=tool.name,
                title=tool.title,
                description=text,
                input_schema=tool.request.model_json_schema(),
                output_schema=result,
                annotations=safe,
            )
        )
    return listed


def call_tool(name: str, given: dict[str, Any], plans: Plans | None, owner: str) -> BaseModel:
    """The outcome of a tool. Raises InputError, NotThere."""
    if name == "ask":
        asked = _read(AskIn, given)
        plan = PlanIn(question=asked.question, law=asked.law, previous=asked.previous)
        return plans.make(owner, plan).out if plans is not None else _alone(plan)
    if name == "search_laws":
        asked = _read(SearchIn, given)
        hits = search(asked.words, asked.limit)
        return SearchOut(hits=[Found.model_validate(hit, from_attributes=True) for hit in hits])
    return call(name, given)


def _alone(plan: PlanIn) -> PlanOut:
    from agent.state import Context

    if plan.law is not None:
        LawBook().get(plan.law)
    return answer_plan(plan_id(plan, [], None), plan, Context(law=plan.law)).out


def _read(model: type[Any], given: dict[str, Any]) -> Any:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(".".join(map(str, first["loc"])) or "arguments", first["msg"]) from None


def build(plans: Plans | None = None) -> Server[Any]:
    """The MCP server; with `plans`, what `ask` answers is kept for the caller of the HTTP request."""

    async def list_tools(_ctx: ServerRequestContext[Any], _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=await anyio.to_thread.run_sync(_tools), ttl_ms=3_600_000, cache_scope="public")

    async def on_call(ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
        if params.name not in ("ask", "search_laws", *MODULES):
            raise MCPError(types.INVALID_PARAMS, f"no tool is called {params.name!r}")
        owner = ctx.request.scope["caller"].owner if ctx.request is not None else ""
        try:
            out = await anyio.to_thread.run_sync(call_tool, params.name, params.arguments or {}, plans, owner)
        except InputError as error:
            return _result(str(error), of_input(error).model_dump(), failed=True)
        except NotThere as error:
            return _result(str(error), {"title": "Not there", "detail": str(error)}, failed=True)
        data = out.model_dump(mode="json", exclude_none=True)
        return _result(out.text if isinstance(out, PlanOut) else json.dumps(data, ensure_ascii=False), data)

    return Server(
        "flopwise",
        version=versions()["flopwise"],
        title="flopwise",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=on_call,
        on_list_resources=_list_resources,
        on_list_resource_templates=_list_templates,
        on_read_resource=_read_resource,
        on_list_prompts=_list_prompts,
        on_get_prompt=_get_prompt,
    )


def _result(text: str, data: dict[str, Any], *, failed: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], structured_content=data, is_error=failed)


async def _list_resources(_ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
    cursor = params.cursor if params is not None else None
    if cursor is not None and not cursor.isdecimal():
        raise MCPError(types.INVALID_PARAMS, "the cursor is not one of this server's")
    start = int(cursor or 0)
    cards = await anyio.to_thread.run_sync(lambda: list(LawBook()))
    listed = [
        types.Resource(uri=f"law://{card.id}", name=card.id, title=card.title, description=card.summary, mime_type="application/json")
        for card in cards[start : start + _PAGE]
    ]
    return types.ListResourcesResult(resources=listed, next_cursor=str(start + _PAGE) if start + _PAGE < len(cards) else None)


async def _list_templates(
    _ctx: ServerRequestContext[Any], _params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    return types.ListResourceTemplatesResult(
        resource_templates=[
            types.ResourceTemplate(
                uri_template="law://{id}",
                name="law",
                title="A law card",
                description="A law whole: formulas, coefficients, fit region, checks, sources.",
                mime_type="application/json",
            )
        ]
    )


async def _read_resource(_ctx: ServerRequestContext[Any], params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = str(params.uri)
    try:
        card = LawBook().get(unquote(uri.removeprefix("law://")).rstrip("/"))
    except InputError as error:
        raise MCPError(types.INVALID_PARAMS, str(error)) from None
    return types.ReadResourceResult(
        contents=[types.TextResourceContents(uri=uri, mime_type="application/json", text=card.model_dump_json(exclude_defaults=True))]
    )


async def _list_prompts(_ctx: ServerRequestContext[Any], _params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    return types.ListPromptsResult(
        prompts=[
            types.Prompt(
                name=name,
                title=title,
                description=title,
                arguments=[types.PromptArgument(name=field, description=text, required=True) for field, text in fields.items()],
            )
            for name, (title, fields, _) in PROMPTS.items()
        ]
    )


async def _get_prompt(_ctx: ServerRequestContext[Any], params: types.GetPromptRequestParams) -> types.GetPromptResult:
    if params.name not in PROMPTS:
        raise MCPError(types.INVALID_PARAMS, f"no prompt is called {params.name!r}")
    title, fields, text = PROMPTS[params.name]
    given = params.arguments or {}
    if missing := [name for name in fields if not given.get(name)]:
        raise MCPError(types.INVALID_PARAMS, f"the prompt needs {', '.join(missing)}")
    for name in fields:
        text = text.replace("{" + name + "}", given[name])
    return types.GetPromptResult(
        description=title, messages=[types.PromptMessage(role="user", content=types.TextContent(type="text", text=text))]
    )


def http_manager(plans: Plans) -> StreamableHTTPSessionManager:
    """Streamable HTTP without sessions, so that any server of several can answer; keys and hosts are the gate's business."""
    return StreamableHTTPSessionManager(app=build(plans), json_response=True, stateless=True)


async def serve_stdio() -> None:
    """Serve one client over standard input and output."""
    server = build()
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())
