"""Forms: what is missing, another law, what if, where to share; and reading what was filled in."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from agent.answer import Answer
from agent.brief import LIMITS, Brief
from agent.format import quantity
from agent.understand.amounts import read_amount
from agent.wording import need
from knowledge.errors import InputError
from knowledge.library import LawBook
from server.slack.blocks import Block, other_laws, section
from server.slack.text import bullets, cut, mrkdwn

_MOST_FIELDS = 20


def modal(callback: str, title: str, submit: str, blocks: list[Block], private: dict[str, Any]) -> dict[str, Any]:
    """A modal view; `private` comes back with the submission."""
    return {
        "type": "modal",
        "callback_id": callback,
        "title": {"type": "plain_text", "text": cut(title, 24)},
        "blocks": blocks,
        "close": {"type": "plain_text", "text": "Cancel"},
        "private_metadata": json.dumps(private, separators=(",", ":")),
        **({"submit": {"type": "plain_text", "text": submit}} if submit else {}),
    }


def needs_modal(answer: Answer, private: dict[str, Any]) -> dict[str, Any]:
    """The form for what a question lacks; any one of the ways is enough."""
    ways = [" and ".join(_name(field) for field in way) for way in answer.needs_any_of]
    told = section("Any one of these is enough:\n" + bullets([mrkdwn(way) for way in ways]))
    stated = answer.brief.stated()
    fields = [
        _field(item.field, item.example, item.unit, _shown(item.field, stated[item.field]) if item.field in stated else "")
        for item in answer.needs[:_MOST_FIELDS]
    ]
    return modal("needs", "What is missing", "Plan", [told, *fields], private)


def what_if_modal(answer: Answer, private: dict[str, Any]) -> dict[str, Any]:
    """What a plan was asked for, to be changed."""
    said = {
        "type": "input",
        "block_id": "say",
        "optional": True,
        "label": {"type": "plain_text", "text": "Say what changes"},
        "element": {
            "type": "plain_text_input",
            "action_id": "value",
            "max_length": 2000,
            "placeholder": {"type": "plain_text", "text": "with 16 H100s instead"},
        },
    }
    stated = [(field, value) for field, value in answer.brief.stated().items() if field in LIMITS or field == "accelerator"]
    fields = [_field(field, need(field).example, need(field).unit, _shown(field, value)) for field, value in stated[:_MOST_FIELDS]]
    return modal("what_if", "What if…", "Plan", [said, *fields], private)


def law_modal(answer: Answer, private: dict[str, Any]) -> dict[str, Any]:
    """The choice of another law for the same question."""
    book = LawBook()
    options = [
        {
            "text": {"type": "plain_text", "text": cut(law, 75)},
            "value": cut(law, 150),
            "description": {"type": "plain_text", "text": cut(book.get(law).title, 75)},
        }
        for law in other_laws(answer)[:100]
    ]
    choice = {
        "type": "input",
        "block_id": "law",
        "label": {"type": "plain_text", "text": "Law"},
        "element": {"type": "static_select", "action_id": "value", "options": options},
    }
    return modal("other_law", "Other law", "Plan", [choice], private)


def share_modal(private: dict[str, Any]) -> dict[str, Any]:
    """Where to share a plan."""
    choice = {
        "type": "input",
        "block_id": "to",
        "label": {"type": "plain_text", "text": "Share the plan in"},
        "element": {
            "type": "conversations_select",
            "action_id": "value",
            "default_to_current_conversation": True,
            "filter": {"include": ["public", "private", "im", "mpim"], "exclude_bot_users": True},
        },
    }
    return modal("share", "Share", "Share", [choice], private)


def text_modal(title: str, blocks: list[Block]) -> dict[str, Any]:
    """Something to read. A modal holds no table: its rows become lines."""
    return modal("read", title, "", [shown for block in blocks for shown in _for_modal(block)][:100], {})


def _for_modal(block: Block) -> list[Block]:
    if block["type"] == "actions":
        return []
    if block["type"] != "table":
        return [block]
    rows = [[cell["text"] for cell in row] for row in block["rows"]]
    return [section(bullets([f"*{mrkdwn(row[0])}*: {mrkdwn(', '.join(cell for cell in row[1:] if cell != '–'))}" for row in rows[1:]]))]


def _field(field: str, example: str, unit: str, value: str = "") -> Block:
    shown = {"placeholder": {"type": "plain_text", "text": cut(example, 150)}} if example else {}
    given = {"initial_value": value} if value else {}
    return {
        "type": "input",
        "block_id": field,
        "optional": True,
        "label": {"type": "plain_text", "text": cut(f"{_name(field)}{f' ({unit})' if unit else ''}", 2000)},
        "element": {"type": "plain_text_input", "action_id": "value", "max_length": 200, **shown, **given},
    }


def _name(field: str) -> str:
    return field.replace("_", " ")


def _shown(field: str, value: Any) -> str:
    """A field as it is written into the form: read back, it gives the same value."""
    values = value if isinstance(value, list) else [value]
    return ", ".join(_number(field, item) if isinstance(item, int | float) else str(item) for item in values)


def _number(field: str, value: float) -> str:
    """40B rather than 40000000000, where that is read back as the same number."""
    for scale, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if scale <= value < 1e16:
            short = f"{value / scale:.12g}{letter}"
            with suppress(InputError):
                if read_amount(field, short) == value:
                    return short
    return f"{value:.12g}".replace("e+", "e")


def filled(view: dict[str, Any]) -> dict[str, str]:
    """What was filled in, by block."""
    found: dict[str, str] = {}
    for block, states in view.get("state", {}).get("values", {}).items():
        state = states.get("value", {})
        value = state.get("value") or (state.get("selected_option") or {}).get("value") or state.get("selected_conversation")
        if value and str(value).strip():
            found[block] = str(value).strip()
    return found


def private_of(view: dict[str, Any]) -> dict[str, Any]:
    """What a view was opened with."""
    return json.loads(view.get("private_metadata") or "{}")


def complete(answer: Answer, given: dict[str, str]) -> tuple[Brief | None, dict[str, str]]:
    """The brief with the form's fields, or the errors by field. One whole way has to be filled in."""
    values, errors = _read(given)
    if not errors and not any(all(field in values for field in way) for way in answer.needs_any_of):
        first = next((field for way in answer.needs_any_of for field in way if field not in values), "")
        errors[first] = "One of the ways has to be complete."
    return _changed(answer.brief, values, errors)


def change(answer: Answer, given: dict[str, str]) -> tuple[Brief | None, dict[str, str]]:
    """The brief with the fields that were changed (an emptied one is unstated), or the errors by field."""
    stated = {field: _shown(field, value) for field, value in answer.brief.stated().items() if field in LIMITS or field == "accelerator"}
    values, errors = _read({field: text for field, text in given.items() if field != "say" and stated.get(field) != text})
    emptied = dict.fromkeys(field for field in list(stated)[:_MOST_FIELDS] if field not in given)
    return _changed(answer.brief, {**emptied, **values}, errors)


def _read(given: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for field, text in given.items():
        try:
            values[field] = read_amount(field, text)
        except InputError as error:
            errors[field] = cut(error.problem + (f"; {error.remedy}" if error.remedy else ""), 140)
    return values, errors


def _changed(brief: Brief, values: dict[str, Any], errors: dict[str, str]) -> tuple[Brief | None, dict[str, str]]:
    if errors:
        return None, errors
    try:
        stated = {**brief.stated(), **values, "missing": None}
        return Brief.read({field: value for field, value in stated.items() if value is not None}), {}
    except InputError as error:
        return None, {error.field if error.field in values else next(iter(values), "say"): cut(str(error), 140)}


def changes_in_words(before: Brief, after: Brief) -> str:
    """How a brief differs from the one before, such as `params total 7B`."""
    was, now = before.stated(), after.stated()
    told = [f"{_name(field)} {_amount(field, value)}" for field, value in now.items() if was.get(field) != value and field != "missing"]
    gone = [f"no {_name(field)}" for field in was if field not in now and field != "missing"]
    return ", ".join([*told, *gone])


def _amount(field: str, value: Any) -> str:
    unit = need(field).unit
    return quantity(value, unit if unit not in ("file", "id") else "") if isinstance(value, int | float) else str(value)
