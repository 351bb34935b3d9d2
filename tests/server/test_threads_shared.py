"""One conversation over two servers on one PostgreSQL: each goes on where the other left it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from server.app import create_app
from server.client import Flopwise
from server.settings import Settings
from tests.server.live import served


@pytest.fixture
def two_servers(postgres_url: Callable[[str], str], tmp_path: Path, service_settings: Callable[..., Settings]) -> Any:
    """A client of a server in a process of its own, and one of a server in this process."""
    url = postgres_url("shared_threads")
    with (
        served(tmp_path, database_url=url) as address,
        Flopwise(address) as one,
        TestClient(create_app(service_settings(tmp_path, database_url=url))) as two,
    ):
        yield one, two


def test_a_conversation_goes_on_at_another_server(two_servers: tuple[Flopwise, TestClient]) -> None:
    one, two = two_servers
    thread = one.create_thread().id

    def say(text: str) -> dict[str, Any]:
        return two.post(f"/v1/threads/{thread}/messages", json={"text": text}).raise_for_status().json()["plan"]["answer"]

    asked_back = one.say(thread, "what size should my model be?").plan.answer
    assert asked_back.needs
    answered = say("1e22 FLOPs")
    assert answered["brief"]["compute_flops"] == 1e22
    assert answered["results"][0]["tool"] == "allocate"
    assert one.say(thread, "and with half the compute?").plan.answer.brief.compute_flops == 5e21
    assert say("use Kaplan instead")["brief"]["laws"] == ["kaplan2020"]
    messages = one.get_thread(thread).messages
    assert [message.role for message in messages] == ["user", "assistant"] * 4
    assert two.get(f"/v1/threads/{thread}").json()["messages"] == [message.model_dump() for message in messages]
