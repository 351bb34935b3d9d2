"""Slack's limits of messages and views: what is wrong with blocks, and a message cut to what Slack takes.

From docs.slack.dev, reference/block-kit (blocks, block-elements, composition-objects), reference/views and reference/methods, read in November 2026.
The characters of all blocks of a message together have no documented limit; Slack refuses with msg_blocks_too_long, seen from 11,341
characters on (github.com/slackapi/bolt-js issues 2509 and 2867), so a message is cut at 10,000.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

Block = dict[str, Any]

MESSAGE_BLOCKS, VIEW_BLOCKS, MESSAGE_CHARACTERS, MESSAGE_TEXT = 50, 100, 10_000, 40_000
SECTION, SECTION_FIELDS, FIELD, CONTEXT_ELEMENTS, ACTIONS = 3000, 10, 2000, 10, 25
HEADER, TITLE, IMAGE_TITLE, ALT = 150, 24, 2000, 2000
IDENT, BUTTON, BUTTON_VALUE, URL = 255, 75, 2000, 3000
TABLE_ROWS, TABLE_COLUMNS, TABLE_CHARACTERS = 100, 20, 10_000
OPTIONS, OPTION, OPTION_VALUE = 100, 75, 150
LABEL, PLACEHOLDER, INPUT, PRIVATE_METADATA = 2000, 150, 3000, 3000
MARKDOWN_TEXT, TASK_TITLE = 12_000, 256  # of a chunk of a stream; the title's limit is not documented, ours are shorter
TASK_STATUSES = frozenset({"pending", "in_progress", "complete", "error"})

_BOTH = frozenset({"section", "context", "actions", "divider", "header", "image"})
_MESSAGE = _BOTH | {"table"}
_VIEW = _BOTH | {"input"}
_ENTITY = re.compile(r"&(?!amp;|lt;|gt;)")
_MARKUP = re.compile(r"<(@[UW][A-Z0-9]+|#[CG][A-Z0-9]+|!date\^\d+\^[^|>]+\|[^>]+|https?://[^>|]+(\|[^>]+)?)>")


def characters(shown: Any) -> int:
    """The characters of all texts in blocks, however deep."""
    if isinstance(shown, dict):
        return sum(len(value) if key == "text" and isinstance(value, str) else characters(value) for key, value in shown.items())
    return sum(map(characters, shown)) if isinstance(shown, list) else 0


def fitting(blocks: list[Block]) -> list[Block]:
    """A message's blocks, the last ones before its buttons left out, and said so, where Slack would not take them all."""
    if len(blocks) <= MESSAGE_BLOCKS and characters(blocks) <= MESSAGE_CHARACTERS:
        return blocks
    note = {"type": "context", "elements": [{"type": "mrkdwn", "text": "The rest is longer than a message of Slack."}]}
    end = [note, *(block for block in blocks[-1:] if block["type"] == "actions")]
    body, kept = blocks[: len(blocks) - len(end) + 1], list[Block]()
    left = MESSAGE_CHARACTERS - characters(end)
    for block in body[: MESSAGE_BLOCKS - len(end)]:
        left -= characters(block)
        if left < 0:
            break
        kept.append(block)
    return kept + end


class Checker:
    """Collects problems with the path at which they are."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def need(self, holds: Any, where: str, what: str) -> None:
        """Note a problem unless something holds."""
        if not holds:
            self.problems.append(f"{where}: {what}")

    def text(self, item: Any, where: str, limit: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> None:
        """A text object of a kind, not empty, not too long, escaped where it is mrkdwn."""
        self.need(isinstance(item, dict) and item.get("type") in kinds, where, f"must be one of {kinds}")
        text = item.get("text") if isinstance(item, dict) else None
        self.need(isinstance(text, str) and 1 <= len(text) <= limit, where, f"1 to {limit} characters, has {len(text or '')}")
        if isinstance(item, dict) and item.get("type") == "mrkdwn" and text:
            bare = _MARKUP.sub("", text)
            self.need(not _ENTITY.search(bare) and "<" not in bare and ">" not in bare, where, "unescaped & < or >")
        self.need(isinstance(item, dict) and set(item) <= {"type", "text", "emoji", "verbatim"}, where, "unknown fields")

    def ids(self, blocks: list[Block], where: str) -> None:
        """Block ids, each once."""
        given = [block["block_id"] for block in blocks if "block_id" in block]
        self.need(len(given) == len(set(given)), where, "block_id repeated")
        self.need(all(0 < len(item) <= IDENT for item in given), where, "block_id too long")

    def button(self, item: Block, where: str) -> None:
        """A button."""
        known = {"type", "text", "action_id", "url", "value", "style", "confirm", "accessibility_label"}
        self.need(set(item) <= known, where, "unknown fields")
        self.text(item.get("text"), where, BUTTON, ("plain_text",))
        self.need(0 < len(item.get("action_id", "x")) <= IDENT, where, "action_id")
        self.need(len(item.get("value", "")) <= BUTTON_VALUE and len(item.get("url", "")) <= URL, where, "value or url too long")
        self.need(item.get("style") in (None, "primary", "danger"), where, "style")

    def element(self, item: Block, where: str) -> None:
        """A button or an input's element."""
        kind = item.get("type")
        if kind == "button":
            self.button(item, where)
        elif kind == "plain_text_input":
            self.need(len(item.get("initial_value", "")) <= item.get("max_length", INPUT) <= INPUT, where, "initial_value or max_length")
            if "placeholder" in item:
                self.text(item["placeholder"], where, PLACEHOLDER, ("plain_text",))
        elif kind == "static_select":
            self.need(1 <= len(item.get("options", [])) <= OPTIONS, where, f"1 to {OPTIONS} options")
            for i, option in enumerate(item.get("options", [])):
                self.option(option, f"{where}.options[{i}]")
        else:
            self.need(kind == "conversations_select", where, f"unknown element {kind}")

    def option(self, option: Block, where: str) -> None:
        """A choice of a menu."""
        self.text(option.get("text"), where, OPTION, ("plain_text",))
        self.need(0 < len(option.get("value", "")) <= OPTION_VALUE, where, "value")
        if "description" in option:
            self.text(option["description"], f"{where}.description", OPTION, ("plain_text",))

    def image(self, block: Block, where: str) -> None:
        """A picture with its alternative text."""
        self.need(0 < len(block.get("alt_text", "")) <= ALT, where, "alt_text")
        self.need(("image_url" in block) != ("slack_file" in block), where, "one of image_url and slack_file")
        if "title" in block:
            self.text(block["title"], where, IMAGE_TITLE, ("plain_text",))

    def table(self, block: Block, where: str) -> None:
        """A table."""
        rows = block.get("rows", [])
        self.need(1 <= len(rows) <= TABLE_ROWS, where, f"1 to {TABLE_ROWS} rows")
        even = len({len(row) for row in rows}) == 1 and 1 <= len(rows[0]) <= TABLE_COLUMNS
        self.need(even, where, f"rows of equally many cells, at most {TABLE_COLUMNS}")
        self.need(len(block.get("column_settings", [])) <= TABLE_COLUMNS, where, "column_settings")
        self.need(characters(rows) <= TABLE_CHARACTERS, where, f"{TABLE_CHARACTERS} characters")
        for row in rows:
            for cell in row:
                self.need(cell.get("type") == "raw_text" and cell.get("text"), where, f"cell {cell}")

    def section(self, block: Block, where: str) -> None:
        """A paragraph, fields or both, and what stands beside it."""
        self.need("text" in block or "fields" in block, where, "text or fields")
        if "text" in block:
            self.text(block["text"], where, SECTION)
        self.need(len(block.get("fields", [])) <= SECTION_FIELDS, where, f"{SECTION_FIELDS} fields")
        for i, item in enumerate(block.get("fields", [])):
            self.text(item, f"{where}.fields[{i}]", FIELD)
        if "accessory" in block:
            self.element(block["accessory"], f"{where}.accessory")

    def elements(self, block: Block, where: str) -> None:
        """The elements of small print or of a row of buttons."""
        small = block["type"] == "context"
        items, most = block.get("elements", []), CONTEXT_ELEMENTS if small else ACTIONS
        self.need(1 <= len(items) <= most, where, f"1 to {most} elements")
        for item in items:
            if small:
                self.text(item, where, SECTION)
            else:
                self.element(item, where)
        actions = [item.get("action_id") for item in items if "action_id" in item]
        self.need(len(actions) == len(set(actions)), where, "action_id repeated")

    def block(self, block: Block, where: str) -> None:
        """One block of whatever kind."""
        kind = block.get("type")
        if kind == "section":
            self.section(block, where)
        elif kind in ("context", "actions"):
            self.elements(block, where)
        elif kind == "header":
            self.text(block.get("text"), where, HEADER, ("plain_text",))
        elif kind == "input":
            self.text(block.get("label"), where, LABEL, ("plain_text",))
            self.element(block.get("element", {}), where)
        elif kind == "image":
            self.image(block, where)
        elif kind == "table":
            self.table(block, where)

    def blocks(self, blocks: list[Block], kinds: frozenset[str], most: int) -> None:
        """All blocks of a message or a view."""
        self.need(1 <= len(blocks) <= most, "blocks", f"1 to {most} blocks, has {len(blocks)}")
        for i, block in enumerate(blocks):
            self.need(block.get("type") in kinds, f"blocks[{i}]", f"type {block.get('type')} does not go here")
            self.block(block, f"blocks[{i}]")
        self.ids(blocks, "blocks")


def message_problems(blocks: list[Block], text: str = "-") -> list[str]:
    """What is wrong with the blocks of a message."""
    check = Checker()
    check.need(0 < len(text) <= MESSAGE_TEXT, "text", f"1 to {MESSAGE_TEXT} characters")
    check.blocks(blocks, _MESSAGE, MESSAGE_BLOCKS)
    check.need(characters(blocks) <= MESSAGE_CHARACTERS, "blocks", f"{MESSAGE_CHARACTERS} characters in all, has {characters(blocks)}")
    check.need(sum(block.get("type") == "table" for block in blocks) <= 1, "blocks", "one table a message")
    json.dumps(blocks, allow_nan=False)
    return check.problems


def view_problems(view: dict[str, Any]) -> list[str]:
    """What is wrong with a modal or a home tab."""
    check = Checker()
    blocks = view.get("blocks", [])
    check.need(view.get("type") in ("modal", "home"), "view", "type")
    check.blocks(blocks, _VIEW, VIEW_BLOCKS)
    if view.get("type") == "modal":
        check.text(view.get("title"), "title", TITLE, ("plain_text",))
        for name in ("submit", "close"):
            if name in view:
                check.text(view[name], name, TITLE, ("plain_text",))
        check.need("submit" in view or not any(block.get("type") == "input" for block in blocks), "view", "submit is needed with inputs")
    check.need(len(view.get("private_metadata", "")) <= PRIVATE_METADATA, "view", "private_metadata")
    check.need(len(view.get("callback_id", "")) <= IDENT, "view", "callback_id")
    return check.problems


def chunk_problems(chunks: list[dict[str, Any]]) -> list[str]:
    """What is wrong with the chunks of a stream."""
    return [problem for chunk in chunks for problem in _chunk_problems(chunk)]


def _chunk_problems(chunk: dict[str, Any]) -> Iterator[str]:
    if chunk.get("type") == "markdown_text":
        if not 0 < len(chunk.get("text", "")) <= MARKDOWN_TEXT:
            yield f"markdown_text of {len(chunk.get('text', ''))} characters"
    elif chunk.get("type") != "task_update":
        yield f"chunk of type {chunk.get('type')}"
    else:
        if set(chunk) - {"type", "id", "title", "status", "details", "output"} or chunk.get("status") not in TASK_STATUSES:
            yield f"task_update {chunk}"
        if not chunk.get("id") or not 0 < len(chunk.get("title", "")) <= TASK_TITLE:
            yield f"task_update {chunk}"
