"""A table of runs that was dropped: handed in as a job, its progress shown, its report posted."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlmodel import col, select

from agent.figures import parity
from knowledge.errors import InputError
from knowledge.schema import LawCard
from server.jobs import FINAL, JobOut
from server.paging import own
from server.slack.answers import figures
from server.slack.blocks import notice_blocks
from server.slack.delivery import Delivery
from server.slack.reports import fit_blocks
from server.slack.tables import SlackAnswer
from server.slack.text import mrkdwn
from server.slack.turn import TABLES, Turn
from server.slack.uploads import download, keep_runs
from server.slack.web import Unsure, Web
from server.store.engine import Store
from server.store.tables import Fit, Job
from server.work import FitIn, read_table
from tools.fitting.runs import describe_group, for_size_and_tokens
from tools.law import compute

if TYPE_CHECKING:
    from server.slack.desk import Desk

_LOOK_SECONDS = 0.3
_POINTS = 600  # of a figure: a million runs would make the same cloud


async def fit_table(desk: Desk, web: Web, turn: Turn, delivery: Delivery) -> None:
    """Fit the table of a turn and report. A fit that takes long closes its stream; the report comes as a message of its own."""
    if not turn.called and await desk.record(desk.memory.thread, turn) is None:
        return  # a table among others, in a thread that does not concern the app
    assert turn.file is not None
    name = str(turn.file.get("name", "runs.csv"))[-100:]
    delivery.start()
    try:
        job_id = await _handed_in(desk, web, turn, name, delivery)
    except InputError as error:
        await delivery.finish(str(error), notice_blocks(str(error)))
        return
    job = await _watched(desk, turn, job_id, delivery, name)
    if job.status != "done":
        reason = str((job.error or {}).get("detail") or f"the fit was {job.status}")
        await delivery.finish(reason, notice_blocks(f"{name} could not be fitted: {reason}"))
        return
    fits = await desk.record(stored_fits, desk.memory.store, turn.owner, job_id)
    spec = await desk.think(parity_of, desk.memory.store, turn.owner, job_id, name)
    text, blocks = fit_blocks(name, fits, await figures(desk, web, [spec] if spec else [], f"fit-{job_id[-8:]}"))
    ts = await delivery.finish(text, blocks)
    laws = [fit["id"] for fit in fits if fit["has_law"]]
    kept = SlackAnswer(
        key=turn.key,
        team=turn.team,
        channel=turn.channel,
        thread=turn.thread,
        user=turn.user,
        source=turn.source,
        ts=ts,
        question=name,
        headline=text,
    )
    await desk.record(desk.memory.answered, kept, turn.conversation, None, laws[0] if len(laws) == 1 else None)


async def _handed_in(desk: Desk, web: Web, turn: Turn, name: str, delivery: Delivery) -> str:
    """The job of a turn; one that was handed in before the process went is found again."""
    row = await desk.record(desk.memory.row, turn.key)
    if row is not None and row.job:
        return row.job
    if not name.lower().endswith(TABLES):
        raise InputError("file", f"{name} is not a table that can be read here", f"save it as CSV and drop that ({', '.join(TABLES)})")
    delivery.step("table", f"Read {name}", "in_progress")
    content = await _downloaded(web, turn, desk.settings.max_upload_bytes)
    runs = await desk.record(keep_runs, desk.memory.store, turn.owner, turn.key, name, content)
    request = FitIn.model_validate({"runs": runs, "bootstrap": desk.settings.fit_resamples}).model_dump(mode="json")
    job = await desk.record(desk.jobs.submit, turn.owner, "slack", "fit", request)
    await desk.record(desk.memory.handed_in, turn.key, job.id)
    delivery.step("table", f"Read {name}", "complete")
    return job.id


async def _downloaded(web: Web, turn: Turn, limit: int) -> bytes:
    pause = 0.5
    while True:
        try:
            return await download(web, turn.file or {}, limit)
        except Unsure:
            if pause > 30:
                raise
            await asyncio.sleep(pause)
            pause *= 2


async def _watched(desk: Desk, turn: Turn, job_id: str, delivery: Delivery, name: str) -> JobOut:
    since, closed = time.monotonic(), False
    while True:
        job = await desk.record(desk.jobs.get, turn.owner, job_id)
        if job.status in FINAL:
            delivery.step("fit", "Fit a law", "complete" if job.status == "done" else "error")
            return job
        share = f"{100 * job.done // job.total}%" if job.total else "queued" if job.status == "queued" else "begun"
        delivery.step("fit", "Fit a law", "in_progress", share)
        if not closed and time.monotonic() - since > desk.settings.stream_seconds:
            closed = True
            await delivery.later(f"Still fitting {mrkdwn(name)} ({share}). The report comes here when it is ready.")
        await asyncio.sleep(_LOOK_SECONDS)


def parity_of(store: Store, owner: str, job_id: str, name: str) -> dict[str, Any] | None:
    """Figure of measured against predicted losses of a job's fits; None where no law came of them. Blocks."""
    with store.read() as session:
        job: Job = own(session, Job, job_id, owner)
        fits = session.exec(select(Fit).where(Fit.owner == owner, Fit.job_id == job_id).order_by(col(Fit.place))).all()
    asked = FitIn.model_validate(job.request)
    table = read_table(store, owner, asked, asked.runs)
    rows: list[tuple[str, float, float]] = []
    for fit in fits:
        if fit.card is not None:
            group = fit.report.get("group") or {}
            runs = for_size_and_tokens(table.choose(group) if group else table)
            runs = runs.take(np.arange(0, len(runs), max(1, len(fits) * len(runs) // _POINTS)))
            predicted = compute(LawCard.model_validate(fit.card), "loss", {"N": runs["params"], "D": runs["tokens"]})["L"]
            rows += zip([describe_group(group)] * len(runs), runs["loss"].tolist(), predicted.tolist(), strict=True)
    return parity(f"Predicted against measured loss ({name})", rows) if rows else None


def stored_fits(store: Store, owner: str, job_id: str) -> list[dict[str, Any]]:
    """The fits of a job, in the order of their groups. Blocks."""
    with store.read() as session:
        rows = session.exec(select(Fit).where(Fit.owner == owner, Fit.job_id == job_id))
        return [
            {"id": row.id, "form": row.form, "report": row.report, "has_law": row.card is not None}
            for row in sorted(rows, key=lambda row: row.place)
        ]
