"""Clients over real HTTP: ours, the official OpenAI one, the MCP SDK's own, and the example notebook."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from server.app import create_app
from server.client import ApiError, AsyncFlopwise, Flopwise
from server.settings import Settings

QUESTION = "best model for 1e22 FLOPs"
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, service_settings: Callable[..., Settings]) -> Iterator[str]:
    settings = service_settings(tmp_path_factory.mktemp("clients"), jobs_here=True)
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_python_client(url: str) -> None:
    with Flopwise(url) as client:
        plan = client.plan(QUESTION)
        assert client.get_plan(plan.id) == plan
        events = list(client.stream_plan(QUESTION))
        assert [event.name for event in events][-1] == "answer"
        assert events[-1].data["id"] == plan.id
        thread = client.create_thread()
        client.say(thread.id, QUESTION)
        assert client.say(thread.id, "and for 1e23?").plan.answer.brief.compute_flops == 1e23
        assert len(client.get_thread(thread.id).messages) == 4
        assert client.law("besiroglu2024").id == "besiroglu2024"
        assert client.tool("allocate", compute_flops=1e22).values["params_total"].number > 1e9
        assert client.evaluate("besiroglu2024", "optimum", {"C": 1e22}).values
        with pytest.raises(ApiError) as refused:
            client.tool("allocate")
        assert ["compute_flops"] in refused.value.problem.needs_any_of
        with pytest.raises(ApiError, match="no law is called"):
            list(client.stream_plan(QUESTION, law="nosuch"))


def test_async_client(url: str) -> None:
    async def use() -> None:
        async with AsyncFlopwise(url) as client:
            plans = await asyncio.gather(*(client.plan(QUESTION) for _ in range(4)))
            assert len({plan.id for plan in plans}) == 1
            assert [event.name async for event in client.stream_plan(QUESTION)][-1] == "answer"
            job = await client.submit("sweep", {"items": [{"question": QUESTION}]})
            assert (await client.wait(job.id)).result == {"plans": [{"plan": plans[0].id, "headline": plans[0].answer.headline}]}

    asyncio.run(use())


def test_a_busy_server_is_asked_again_with_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.client.time.sleep", lambda _: None)
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            raise httpx.ConnectError("away", request=request)
        if len(keys) == 2:
            return httpx.Response(503)
        if len(keys) == 3:
            return httpx.Response(409, headers={"Retry-After": "4"})  # an earlier try is still at work
        return httpx.Response(201, json={"id": "thread_a", "title": "", "created": "", "updated": ""})

    with Flopwise(transport=httpx.MockTransport(answer)) as client:
        assert client.create_thread().id == "thread_a"
    assert len(keys) == 4
    assert len(set(keys)) == 1


def test_openai_client(url: str) -> None:
    openai: Any = pytest.importorskip("openai", reason="the PyPI package openai is not installed")
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        assert [model.id for model in client.models.list()] == ["flopwise"]
        talk = [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": "..."},
            {"role": "user", "content": [{"type": "text", "text": "and for 1e23?"}]},
        ]
        whole = client.chat.completions.create(model="flopwise", messages=talk)
        with Flopwise(url) as own:
            assert whole.choices[0].message.content.split("\n")[0] == f"**{own.plan('best model for 1e23 FLOPs').answer.headline}**"
        chunks = list(client.chat.completions.create(model="flopwise", messages=talk, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
        assert chunks[-1].choices[0].finish_reason == "stop"
        with pytest.raises(openai.UnprocessableEntityError):
            client.chat.completions.create(model="flopwise", messages=[{"role": "assistant", "content": "x"}])


async def use_mcp(target: Any) -> None:
    from mcp import Client, MCPError

    async with Client(target) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert {"ask", "search_laws", "allocate", "memory"} <= set(tools)
        assert all(tool.output_schema for tool in tools.values())
        answer = await client.call_tool("ask", {"question": QUESTION})
        assert answer.structured_content["answer"]["headline"].startswith("Train ")
        computed = await client.call_tool("allocate", {"compute_flops": 1e22})
        assert computed.structured_content["values"]["params_total"]["value"] > 1e9
        missing = await client.call_tool("allocate", {})
        assert missing.is_error
        assert ["compute_flops"] in missing.structured_content["needs_any_of"]
        assert (await client.call_tool("search_laws", {"words": "chinchilla"})).structured_content["hits"]
        page = await client.list_resources()
        assert page.next_cursor
        card = await client.read_resource("law://besiroglu2024")
        assert json.loads(card.contents[0].text)["id"] == "besiroglu2024"
        with pytest.raises(MCPError):
            await client.read_resource("law://nosuch")
        assert {prompt.name for prompt in (await client.list_prompts()).prompts} >= {"plan_training", "explain_law"}
        prompt = await client.get_prompt("explain_law", {"law": "besiroglu2024"})
        assert "law://besiroglu2024" in prompt.messages[0].content.text


def test_mcp_over_http(url: str) -> None:
    asyncio.run(use_mcp(f"{url}/mcp"))


def test_mcp_over_stdio() -> None:
    from mcp import StdioServerParameters

    asyncio.run(use_mcp(StdioServerParameters(command=sys.executable, args=["-m", "server.cli", "mcp"], cwd=str(HERE.parents[1]))))


def test_the_example_notebook_runs(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FLOPWISE_URL", url)
    names: dict[str, Any] = {}
    for cell in json.loads((HERE / "example_notebook.ipynb").read_text(encoding="utf8"))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "example_notebook.ipynb", "exec"), names)
    assert names["own"].answer.headline.startswith("Train ")
    assert "the runs determine the law" in capsys.readouterr().out
