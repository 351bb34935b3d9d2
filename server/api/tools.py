"""`/v1/tools`: every tool by its own schema."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from server.models import ToolLine
from tools.registry import all_tools, call, get_tool
from tools.result import Result

router = APIRouter(tags=["tools"])


@router.get("/tools")
def list_tools() -> list[ToolLine]:
    """Every tool with its schema."""
    return [
        ToolLine(
            name=tool.name,
            task=tool.task,
            title=tool.title,
            needs=[list(way) for way in tool.needs],
            input_schema=tool.request.model_json_schema(),
        )
        for tool in all_tools()
    ]


@router.post("/tools/{name}")
def call_tool(name: str, fields: dict[str, Any]) -> Result:
    """Call a tool. An unknown tool, field or value is answered with what would be right."""
    get_tool(name)
    return call(name, fields)
