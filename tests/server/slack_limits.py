"""Slack's documented limits of blocks and views, checked apart from the code that makes them.

From docs.slack.dev, reference/block-kit (blocks, block-elements, composition-objects) and reference/views, read in November 2026:
50 blocks a message and 100 a view; section text 3000 and fields 10 x 2000; context 10 elements; actions 25; header and modal title 150 and 24;
image alt text and title 2000; block_id and action_id 255; button text 75, value 2000, url 3000; table one a message, messages only, 100 rows of
equally many cells, 20 columns, 10,000 characters in all; select option text and description 75, value 150; input label 2000 and placeholder 150;
private_metadata 3000; callback_id 255; message text 40,000.
"""

from __future__ import annotations

import json
import re
from typing import Any

_MESSAGE = {"section", "context", "actions", "divider", "header", "image", "table", "rich_text"}
_VIEW = {"section", "context", "actions", "divider", "header", "image", "input", "rich_text"}
_ENTITY = re.compile(r"&(?!amp;|lt;|gt;)")
_MARKUP = re.compile(r"<(@[UW][A-Z0-9]+|!date\^\d+\^[^|>]+\|[^>]+|https?://[^>|]+(\|[^>]+)?)>")


class Checker:
    """Collects problems with the path at which they are."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def need(self, holds: Any, where: str, what: str) -> None:
        if not holds:
            self.problems.append(f"{where}: {what}")

    def text(self, item: Any, where: str, limit: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> None:
        self.need(isinstance(item, dict) and item.get("type") in kinds, where, f"must be one of {kinds}")
        text = item.get("text") if isinstance(item, dict) else None
        self.need(isinstance(text, str) and 1 <= len(text) <= limit, where, f"1 to {limit} characters, has {len(text or '')}")
        if isinstance(item, dict) and item.get("type") == "mrkdwn" and text:
            bare = _MARKUP.sub("", text)
            self.need(not _ENTITY.search(bare) and "<" not in bare and ">" not in bare, where, "unescaped & < or >")
        self.need(isinstance(item, dict) and set(item) <= {"type", "text", "emoji", "verbatim"}, where, "unknown fields")

    def ids(self, blocks: list[dict[str, Any]], where: str) -> None:
        given = [block["block_id"] for block in blocks if "block_id" in block]
        self.need(len(given) == len(set(given)), where, "block_id repeated")
        self.need(all(0 < len(item) <= 255 for item in given), where, "block_id too long")

    def button(self, item: dict[str, Any], where: str) -> None:
        self.need(
            set(item) <= {"type", "text", "action_id", "url", "value", "style", "confirm", "accessibility_label"}, where, "unknown fields"
        )
        self.text(item.get("text"), where, 75, ("plain_text",))
        self.need(
            0 < len(item.get("action_id", "x")) <= 255 and len(item.get("value", "")) <= 2000 and len(item.get("url", "")) <= 3000,
            where,
            "too long",
        )
        self.need(item.get("style") in (None, "primary", "danger"), where, "style")

    def element(self, item: dict[str, Any], where: str) -> None:
        kind = item.get("type")
        if kind == "button":
            self.button(item, where)
        elif kind == "plain_text_input":
            self.need(len(item.get("initial_value", "")) <= item.get("max_length", 3000) <= 3000, where, "initial_value or max_length")
            if "placeholder" in item:
                self.text(item["placeholder"], where, 150, ("plain_text",))
        elif kind == "static_select":
            options = item.get("options", [])
            self.need(1 <= len(options) <= 100, where, "1 to 100 options")
            for i, option in enumerate(options):
                self.text(option.get("text"), f"{where}.options[{i}]", 75, ("plain_text",))
                self.need(0 < len(option.get("value", "")) <= 150, f"{where}.options[{i}]", "value")
                if "description" in option:
                    self.text(option["description"], f"{where}.options[{i}].description", 75, ("plain_text",))
        else:
            self.need(kind == "conversations_select", where, f"unknown element {kind}")

    def image(self, block: dict[str, Any], where: str) -> None:
        self.need(0 < len(block.get("alt_text", "")) <= 2000, where, "alt_text")
        self.need(("image_url" in block) != ("slack_file" in block), where, "one of image_url and slack_file")
        if "title" in block:
            self.text(block["title"], where, 2000, ("plain_text",))

    def table(self, block: dict[str, Any], where: str) -> None:
        rows = block.get("rows", [])
        self.need(1 <= len(rows) <= 100, where, "1 to 100 rows")
        self.need(len({len(row) for row in rows}) == 1 and 1 <= len(rows[0]) <= 20, where, "rows of equally many cells, at most 20")
        self.need(len(block.get("column_settings", [])) <= 20, where, "column_settings")
        self.need(sum(len(cell.get("text", "")) for row in rows for cell in row) <= 10_000, where, "10,000 characters")
        for row in rows:
            for cell in row:
                self.need(cell.get("type") == "raw_text" and cell.get("text"), where, f"cell {cell}")

    def block(self, block: dict[str, Any], where: str) -> None:
        kind = block.get("type")
        if kind == "section":
            self.need("text" in block or "fields" in block, where, "text or fields")
            if "text" in block:
                self.text(block["text"], where, 3000)
            fields = block.get("fields", [])
            self.need(len(fields) <= 10, where, "10 fields")
            for i, item in enumerate(fields):
                self.text(item, f"{where}.fields[{i}]", 2000)
            if "accessory" in block:
                self.element(block["accessory"], f"{where}.accessory")
        elif kind == "context":
            self.need(1 <= len(block.get("elements", [])) <= 10, where, "1 to 10 elements")
            for item in block["elements"]:
                self.text(item, where, 3000)
        elif kind == "actions":
            self.need(1 <= len(block.get("elements", [])) <= 25, where, "1 to 25 elements")
            actions = [item.get("action_id") for item in block["elements"]]
            self.need(len(actions) == len(set(actions)), where, "action_id repeated")
            for item in block["elements"]:
                self.element(item, where)
        elif kind == "header":
            self.text(block.get("text"), where, 150, ("plain_text",))
        elif kind == "input":
            self.text(block.get("label"), where, 2000, ("plain_text",))
            self.element(block.get("element", {}), where)
        elif kind == "image":
            self.image(block, where)
        elif kind == "table":
            self.table(block, where)


def message_problems(blocks: Any, text: str = "-") -> list[str]:
    """What is wrong with the blocks of a message."""
    check = Checker()
    check.need(isinstance(blocks, list) and 1 <= len(blocks) <= 50, "blocks", "1 to 50 blocks")
    check.need(0 < len(text) <= 40_000, "text", "1 to 40,000 characters")
    for i, block in enumerate(blocks):
        check.need(block.get("type") in _MESSAGE, f"blocks[{i}]", f"type {block.get('type')} in a message")
        check.block(block, f"blocks[{i}]")
    check.need(sum(block.get("type") == "table" for block in blocks) <= 1, "blocks", "one table a message")
    check.ids(blocks, "blocks")
    json.dumps(blocks, allow_nan=False)
    return check.problems


def view_problems(view: dict[str, Any]) -> list[str]:
    """What is wrong with a modal or a home tab."""
    check = Checker()
    blocks = view.get("blocks", [])
    check.need(view.get("type") in ("modal", "home"), "view", "type")
    check.need(1 <= len(blocks) <= 100, "view", "1 to 100 blocks")
    if view.get("type") == "modal":
        check.text(view.get("title"), "title", 24, ("plain_text",))
        for name in ("submit", "close"):
            if name in view:
                check.text(view[name], name, 24, ("plain_text",))
        check.need("submit" in view or not any(block.get("type") == "input" for block in blocks), "view", "submit is needed with inputs")
    check.need(
        len(view.get("private_metadata", "")) <= 3000 and len(view.get("callback_id", "")) <= 255, "view", "private_metadata or callback_id"
    )
    for i, block in enumerate(blocks):
        check.need(block.get("type") in _VIEW, f"blocks[{i}]", f"type {block.get('type')} in a view")
        check.block(block, f"blocks[{i}]")
    check.ids(blocks, "view")
    return check.problems
