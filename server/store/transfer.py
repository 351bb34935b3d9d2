"""Everything an owner has, as lines of JSON, out of one store and into another. Keys and links are left out: secrets do not travel."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError
from sqlmodel import Session, SQLModel, select

from knowledge.errors import InputError
from server.models import PlanOut
from server.store.engine import Store, note
from server.store.tables import Fit, Job, Message, Plan, Runs, Thread

FORMAT = "flopwise-export/1"
TABLES: dict[str, type[SQLModel]] = {"plans": Plan, "threads": Thread, "messages": Message, "runs": Runs, "fits": Fit, "jobs": Job}
_BYTES = {"plans": "body", "runs": "content"}
_FINAL = ("done", "failed", "cancelled")


def export_rows(store: Store, owner: str) -> Iterator[str]:
    """Lines: a head, then every row of the owner's, tables in the order in which they refer to each other."""
    yield json.dumps({"format": FORMAT}) + "\n"
    for name, table in TABLES.items():
        with store.read() as session:
            kind: Any = table
            for row in session.exec(select(kind).where(kind.owner == owner).order_by(kind.created, kind.id)):
                data = row.model_dump(exclude={"owner"})
                if name in _BYTES:
                    data[_BYTES[name]] = base64.b64encode(data[_BYTES[name]]).decode()
                yield json.dumps({"table": name, "row": data}, ensure_ascii=False) + "\n"


def import_rows(store: Store, owner: str, lines: Iterable[str]) -> dict[str, int]:
    """Add rows that are not there yet, all or none; how many of each table. Raises InputError naming the line."""
    counts: dict[str, int] = {}
    with store.write() as session:
        for number, line in enumerate(lines, 1):
            data = _parse(line, number)
            if number == 1:
                if data.get("format") != FORMAT:
                    raise InputError("file", "is not an export of flopwise", f"expected format {FORMAT} in the first line")
                continue
            name, row = _row(data, owner, number)
            key: Any = (owner, row.id) if name == "plans" else row.id
            there: Any = session.get(type(row), key)
            if there is None:
                _check_reference(session, row, owner, number)
                session.add(row)
                session.flush()
                counts[name] = counts.get(name, 0) + 1
            elif there.owner != owner:
                raise InputError(f"line {number}", f"{row.id} belongs to somebody else in this store", "import under the owner it has here")
        note(session, owner, "", "imported")
    return counts


def _check_reference(session: Session, row: Any, owner: str, number: int) -> None:
    # A message goes only into a thread of one's own: ids in a file prove nothing.
    if isinstance(row, Message):
        thread = session.get(Thread, row.thread_id)
        if thread is None or thread.owner != owner:
            raise InputError(f"line {number}", f"belongs to a thread that is not yours: {row.thread_id!r}", "give the export whole")


def _parse(line: str, number: int) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except json.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        raise InputError(f"line {number}", "is not a JSON object", "give a file that `flopwise export` wrote")
    return data


def _row(data: dict[str, Any], owner: str, number: int) -> tuple[str, Any]:
    name, values = data.get("table"), data.get("row")
    if name not in TABLES or not isinstance(values, dict):
        raise InputError(f"line {number}", f"names no known table: {name!r}", f"tables: {', '.join(TABLES)}")
    try:
        if name in _BYTES:
            values = {**values, _BYTES[name]: base64.b64decode(values[_BYTES[name]], validate=True)}
        row: Any = TABLES[name].model_validate({**values, "owner": owner})
        if name == "plans":
            PlanOut.model_validate_json(row.body)
    except (ValidationError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"line {number}", f"is no row of {name}", type(error).__name__) from None
    if name == "jobs" and row.status not in _FINAL:
        row.status = "cancelled"  # its workflow stays with the store it came from; `retry` starts it anew here
    return name, row
