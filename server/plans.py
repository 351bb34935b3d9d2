"""Making plans for whoever asks: one answer an id, from memory, the store or the graph, and the steps on the way."""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlmodel import select

from agent import ask
from agent.brief import Brief
from agent.compose import versions
from agent.state import Context, RunsTable
from agent.understand import warm
from knowledge.errors import InputError
from knowledge.library import LawBook
from knowledge.schema import LawCard
from server import labels
from server.errors import NotThere
from server.models import PlanIn, PlanOut
from server.paging import own
from server.settings import Settings
from server.store.engine import Store, note
from server.store.plan_rows import PlanRows
from server.store.tables import Fit, Plan, Runs, Share, now
from tools.fitting import parallel
from tools.systems.profile import profile_from

Tell = Callable[[dict[str, Any]], None]
SHARED = ""  # in place of an owner, whose name is never empty
FIT = "fit_"  # how the ids of fits begin
MAX_ROWS = 20_000  # of a table that is fitted while its question waits
PLAN_SECONDS = 0.05  # a plan takes on one core, about
_ATTACHED = ("runs", "group", "profile")


@dataclass(frozen=True)
class Made:
    """A plan as it is kept: the whole body as JSON bytes, and the steps that led to it."""

    id: str
    question: str
    headline: str
    body: bytes
    events: list[dict[str, Any]]

    @cached_property
    def out(self) -> PlanOut:
        """The plan as an object."""
        return PlanOut.model_validate_json(self.body)


class _Running:
    """A plan in the making, which several may wait for; who joins late hears the steps so far first."""

    def __init__(self) -> None:
        self.future: Future[Made] = Future()
        self._told: list[dict[str, Any]] = []
        self._listeners: list[Tell] = []
        self._lock = threading.Lock()

    def listen(self, tell: Tell) -> None:
        with self._lock:
            for event in self._told:
                tell(plain(event))
            self._listeners.append(tell)

    def tell(self, event: dict[str, Any]) -> None:
        with self._lock:
            self._told.append(event)
            for listener in self._listeners:
                listener(plain(event))


class Plans:
    """Every plan of the service. Equal questions under equal laws and versions are answered once."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store, self.settings, self.rows = store, settings, PlanRows(store)
        self.pool = ThreadPoolExecutor(settings.plan_threads, thread_name_prefix="plan")
        self._lock = threading.Lock()
        # Plans made here are shared by all who ask the same; those read from the store are their owner's alone (they may have been imported).
        self._made: OrderedDict[tuple[str, str], Made] = OrderedDict()
        self._kept: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._running: dict[str, _Running] = {}
        self.pool.submit(warm)  # beside the start, so that no question pays for it

    def make(self, owner: str, asked: PlanIn, tell: Tell | None = None) -> Made:
        """The plan, kept for its owner; `tell` hears every step. Raises InputError; blocks until the plan is made."""
        context, cards = self._context(owner, asked)
        ident = plan_id(asked, cards, self.settings.model, context.table)
        made = self.ready(owner, ident)
        if made is None:
            made = self._compute(ident, asked, context, tell)
            self._keep(owner, made)
        elif tell is not None:
            for event in replayed(made):
                tell(event)
        return made

    def make_all(self, owner: str, asked: Sequence[PlanIn], progress: Callable[[int], None]) -> list[Made | InputError | NotThere]:
        """Many plans, where the backend in force computes (tools.fitting.parallel); an error stands in the place of what is refused."""
        fresh: dict[str, tuple[Any, ...]] = {}
        for item in asked:
            try:
                context, cards = self._context(owner, item)
            except (InputError, NotThere):
                continue  # told below, in its place
            ident = plan_id(item, cards, self.settings.model, context.table)
            if self.ready(owner, ident) is None:
                fresh[ident] = (ident, item, cards, context.law, context.table, context.profile, self.settings)
        seconds = PLAN_SECONDS * len(fresh)
        if not parallel.shares_memory() and seconds >= parallel.START_SECONDS:
            for made in parallel.spread(_answer_elsewhere, fresh.values(), parallel.workers(), seconds=seconds):
                if made is not None:
                    self._remember(made)
                    self._keep(owner, made)

        def one(item: PlanIn) -> Made | InputError | NotThere:
            try:
                return self.make(owner, item)
            except (InputError, NotThere) as error:
                return error

        with parallel.computing_on("threading"):
            return parallel.spread(one, [(item,) for item in asked], self.settings.plan_threads, lambda _: progress(1))

    def at_hand(self, owner: str, asked: PlanIn) -> Made | None:
        """A plan that is in memory and kept for its owner, found without waiting; None when it has to be made or looked up."""
        if asked.runs is not None or (asked.law is not None and asked.law.startswith(FIT)):
            return None
        ident = plan_id(asked, [], self.settings.model)
        return self._remembered(owner, ident) if (owner, ident) in self._kept else None

    def ready(self, owner: str, ident: str) -> Made | None:
        """A plan from memory or the store, kept for its owner."""
        made = self._remembered(owner, ident)
        if made is not None:
            self._keep(owner, made)
            return made
        row = self.rows.read(owner, ident)
        if row is None:
            return None
        made = Made(row.id, row.question, row.headline, row.body, row.events)
        self._remember(made, owner)
        self._mark(owner, ident)
        return made

    def get(self, owner: str, ident: str) -> Made:
        """A plan the owner has. Raises NotThere."""
        found = self._remembered(owner, ident) if (owner, ident) in self._kept else None
        if found is None and self.holds(owner, ident):
            found = self.ready(owner, ident)
        if found is None:
            raise NotThere("plan", ident)
        return found

    def holds(self, owner: str, ident: str) -> bool:
        """Whether the owner has a plan of this id."""
        if (owner, ident) in self._kept:
            return True
        with self.store.read() as session:
            return session.exec(select(Plan.id).where(Plan.owner == owner, Plan.id == ident)).first() is not None

    def forget(self, owner: str, actor: str, ident: str) -> None:
        """Delete an owner's plan and close its links. Raises NotThere."""
        with self.store.write() as session:
            plan = session.get(Plan, (owner, ident))
            if plan is None:
                raise NotThere("plan", ident)
            for share in session.exec(select(Share).where(Share.owner == owner, Share.plan_id == ident)):
                session.delete(share)
            session.delete(plan)
            note(session, owner, actor, "plan.deleted", ident)
        self._kept.pop((owner, ident), None)

    def close(self) -> None:
        """Let plans in the making end."""
        self.pool.shutdown(wait=True, cancel_futures=True)

    def _context(self, owner: str, asked: PlanIn) -> tuple[Context, list[LawCard]]:
        cards: list[LawCard] = []
        law = asked.law
        if law is not None and law.startswith(FIT):
            cards = [own_law(self.store, owner, law)]
            law = cards[0].id
        table = own_table(self.store, owner, asked.runs, asked.group) if asked.runs is not None else None
        profile = profile_from(asked.profile).to_json() if asked.profile is not None else None
        context = _context(self.settings, cards, law, table, profile)
        if law is not None:
            context.laws.get(law)
        return context, cards

    def _remembered(self, owner: str, ident: str) -> Made | None:
        with self._lock:
            for key in ((SHARED, ident), (owner, ident)):
                if key in self._made:
                    self._made.move_to_end(key)
                    return self._made[key]
        return None

    def _compute(self, ident: str, asked: PlanIn, context: Context, tell: Tell | None) -> Made:
        with self._lock:
            running = self._running.get(ident)
            first = running is None
            if running is None:
                running = self._running[ident] = _Running()
        if tell is not None:
            running.listen(tell)
        if not first:
            return running.future.result()
        try:
            made = self.pool.submit(answer_plan, ident, asked, context, running.tell).result()
        except BaseException as error:
            running.future.set_exception(error)
            raise
        else:
            self._remember(made)
            running.future.set_result(made)
            return made
        finally:
            with self._lock:
                self._running.pop(ident, None)

    def _remember(self, made: Made, owner: str = SHARED) -> None:
        with self._lock:
            self._made[(owner, made.id)] = made
            while len(self._made) > self.settings.plan_cache:
                self._made.popitem(last=False)

    def _keep(self, owner: str, made: Made) -> None:
        if (owner, made.id) in self._kept:
            return
        columns = {"id": made.id, "question": made.question, "headline": made.headline, "body": made.body, "events": made.events}
        self.rows.add({"owner": owner, **columns, "created": now()})
        self._mark(owner, made.id)

    def _mark(self, owner: str, ident: str) -> None:
        with self._lock:
            self._kept[(owner, ident)] = None
            while len(self._kept) > 50_000:
                self._kept.popitem(last=False)


def plan_id(asked: PlanIn, cards: list[LawCard], model: str | None, table: RunsTable | None = None) -> str:
    """Id of a plan: the hash of what was asked, the law base, the program and the owner's own laws and runs in play."""
    own = [card.model_dump(mode="json", exclude_defaults=True) for card in cards]
    # A fit's own id is left out: its card says what the law is, and the same law makes the same plan.
    given = {name: value for name, value in asked.model_dump().items() if not (name in _ATTACHED and value is None)}
    if own:
        del given["law"]
    if table is not None:  # likewise an upload's id: its name and cells say what it is
        given["runs"] = [table.name, dict(table.columns)]
    content = json.dumps({"asked": given, "laws": own, "model": model, "versions": versions()}, sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def answer_plan(ident: str, asked: PlanIn, context: Context, tell: Tell | None = None) -> Made:
    """The plan itself, by the graph. Raises InputError."""
    events: list[dict[str, Any]] = []

    def heard(event: dict[str, Any]) -> None:
        done = sum(1 for kept in events if kept["status"] == "done")
        # Kept without the result, which the answer holds already.
        events.append({**{k: v for k, v in event.items() if k != "result"}, **({"result": done} if "result" in event else {})})
        if tell is not None:
            tell(event)

    brief = Brief.read(asked.brief) if asked.brief is not None else None
    previous = Brief.read(asked.previous) if asked.previous is not None else None
    answer = ask(asked.question, brief=brief, previous=previous, context=context, on_event=heard)
    out = PlanOut(id=ident, answer=answer, text=answer.text, labels=labels.of_answer(answer))
    return Made(ident, asked.question, answer.headline, out.model_dump_json(exclude_none=True).encode(), events)


def _answer_elsewhere(
    ident: str, asked: PlanIn, cards: list[LawCard], law: str | None, table: RunsTable | None, profile: Any, settings: Settings
) -> Made | None:
    # Another process is sent plain data and opens the law base anew. What is refused is left to the caller, who can say so.
    try:
        return answer_plan(ident, asked, _context(settings, cards, law, table, profile))
    except InputError:
        return None


def _context(settings: Settings, cards: list[LawCard], law: str | None, table: RunsTable | None, profile: Any) -> Context:
    return Context(
        laws=LawBook().with_laws(cards),
        law=law,
        table=table,
        profile=profile,
        model=settings.model,
        base_url=settings.base_url,
        api_key=settings.api_key,
        model_timeout_seconds=settings.model_timeout_seconds,
    )


def plain(event: dict[str, Any]) -> dict[str, Any]:
    """A step of the graph as plain data."""
    result = event.get("result")
    return {**event, "result": result.model_dump(mode="json", exclude_none=True)} if result is not None else event


def replayed(made: Made) -> list[dict[str, Any]]:
    """The steps of a kept plan, each with its result."""
    results = made.out.answer.results
    return [plain({**event, "result": results[event["result"]]}) if "result" in event else event for event in made.events]


def own_table(store: Store, owner: str, runs_id: str, group: str | None = None) -> RunsTable:
    """An uploaded table of the owner's, unread. Raises NotThere, or InputError where it is too long for a question."""
    from tools.fitting.runs import file_columns

    with store.read() as session:
        row: Runs = own(session, Runs, runs_id, owner)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / row.name
        path.write_bytes(row.content)
        columns = file_columns(path)
    if any(len(cells) > MAX_ROWS for cells in columns.values()):
        raise InputError("runs", f"the table has more than {MAX_ROWS:,} rows", "fit it first (POST /v1/fits) and give the fit as `law`")
    return RunsTable(row.name, columns, group)


def own_law(store: Store, owner: str, fit_id: str) -> LawCard:
    """The law card of a fit of the owner's. Raises NotThere, or InputError where the fit determined no law."""
    with store.read() as session:
        fit = session.get(Fit, fit_id)
    if fit is None or fit.owner != owner:
        raise NotThere("fit", fit_id)
    if fit.card is None:
        raise InputError("law", f"{fit_id} determined no law", "its report says why")
    return LawCard.model_validate(fit.card)
