"""Jobs: taken in one transaction with their DBOS workflow, run on whichever worker takes them, ended exactly once."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from dbos import DBOS, DBOSClient
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlmodel import col, delete, select, update

from knowledge.errors import InputError
from server.errors import Conflict, NotThere, document, of_input
from server.idempotency import ident
from server.models import JobOut
from server.paging import own
from server.plans import Plans
from server.settings import Settings
from server.store.engine import Store, note
from server.store.tables import Job, Worker, now
from server.work import KINDS

QUEUE, APP, WORKFLOW = "jobs", "flopwise", "flopwise.job"
PROTOCOL = "1"  # DBOS resumes a job only under the application version it was taken by; ours changes with the shape of a job
FINAL = ("done", "failed", "cancelled")
_TELL_SECONDS = 0.5
_LEAVE_SECONDS = 5  # between two signs of progress, mostly
_LOCK = 7_346_513
log: Any = structlog.get_logger("jobs")


T = TypeVar("T")


class Stopped(Exception):
    """The job was cancelled while it ran."""


class Leaving(BaseException):
    """This process stops: the job goes on elsewhere, from its last step. Nothing catches it on its way, so that it is no outcome of a step."""


class Refused(Exception):
    """The job cannot be done as asked; `problem` says why."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem["detail"])
        self.problem = problem


class Jobs:
    """The desk where jobs are handed in, looked at, cancelled and tried again. It runs none itself."""

    def __init__(self, store: Store) -> None:
        self.store = store
        _migrate(store)
        self._client = DBOSClient(system_database_engine=store.writer, application_name=APP)

    def submit(self, owner: str, actor: str, kind: str, request: dict[str, Any], retry_of: str | None = None) -> JobOut:
        """Hand a job in. The row and the workflow are written together or not at all; once, however often the request is tried."""
        job = Job(id=ident("job"), owner=owner, kind=kind, request=request, retry_of=retry_of)
        with self.store.write() as session:
            there = session.get(Job, job.id)
            if there is not None:
                return out(there)
            session.add(job)
            note(session, owner, actor, "job.queued", job.id)
            session.flush()
            self._client.enqueue_in_transaction(
                session, {"queue_name": QUEUE, "workflow_name": WORKFLOW, "workflow_id": job.id, "app_version": PROTOCOL}, job.id
            )
        return out(job)

    def get(self, owner: str, job_id: str) -> JobOut:
        """A job of the owner's. Raises NotThere."""
        with self.store.read() as session:
            return out(own(session, Job, job_id, owner))

    def cancel(self, owner: str, actor: str, job_id: str) -> JobOut:
        """End a job now; work on it stops at its next sign of progress. Raises NotThere, Conflict."""
        with self.store.write() as session:
            job: Job = own(session, Job, job_id, owner)
            if job.status in ("done", "failed"):
                raise Conflict(f"the job is {job.status} already")
        end(self.store, job_id, "cancelled", actor=actor)  # its workflow sees that when it begins, or at its next sign of progress
        return self.get(owner, job_id)

    def retry(self, owner: str, actor: str, job_id: str) -> JobOut:
        """Hand a failed or cancelled job in again, as a new one. Raises NotThere, Conflict."""
        job = self.get(owner, job_id)
        if job.status not in ("failed", "cancelled"):
            raise Conflict(f"the job is {job.status}; only a failed or cancelled one can be tried again")
        return self.submit(owner, actor, job.kind, job.request, job_id)

    def close(self) -> None:
        """Give the connections back."""
        self._client.destroy()


def out(job: Job) -> JobOut:
    """A job as the API shows it."""
    return JobOut.model_validate(job, from_attributes=True)


def end(
    store: Store,
    job_id: str,
    status: str,
    *,
    result: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
    rows: list[Any] | None = None,
    actor: str = "",
) -> bool:
    """Give a job its final status, unless it has one: whoever comes second changes nothing."""
    with store.write() as session:
        changed: Any = session.exec(
            update(Job)
            .where(col(Job.id) == job_id, col(Job.status).not_in(FINAL))
            .values(status=status, ended=now(), result=result, error=error, **({"done": Job.total} if status == "done" else {}))
        )
        if changed.rowcount != 1:
            return False
        job = session.get_one(Job, job_id)
        session.add_all(rows or [])
        note(session, job.owner, actor, f"job.{status}", job_id)
    return True


def _migrate(store: Store) -> None:
    """DBOS's tables beside ours; servers and workers that start together wait for each other."""
    if store.is_sqlite:
        DBOS.migrate(store.url)
        return
    # Tried rather than waited for, and outside transactions: DBOS creates indexes concurrently, which waits for every open snapshot.
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar():
            time.sleep(0.1)
        try:
            DBOS.migrate(store.url)
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})


@dataclass
class Runner:
    """A process's part in running jobs: DBOS takes them from the queue, the heart beats, silent workers' jobs are taken over."""

    store: Store
    plans: Plans
    settings: Settings
    name: str
    _stopping: threading.Event = field(default_factory=threading.Event)
    leaving: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)
    _heart: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take jobs."""
        global _here
        _here = self
        self._beat()  # before the first job is taken: one that a worker without a heartbeat holds would not be missed
        DBOS(
            config={
                "name": APP,
                "system_database_url": self.store.url,
                "executor_id": self.name,
                "application_version": PROTOCOL,
                "log_level": "WARNING",
                "run_migrations": False,
                "sys_db_pool_size": 5,
            }
        )
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=self.settings.job_concurrency, polling_interval_sec=0.3)
        self._heart = threading.Thread(target=self._live, name="heartbeat", daemon=True)
        self._heart.start()

    def stop(self) -> None:
        """Take no more jobs; those under way get time to end, and else are handed over to other workers or the next start."""
        global _here
        self._stopping.set()
        patience = threading.Timer(self.settings.shutdown_seconds, self.leaving.set)
        patience.start()
        DBOS.destroy(workflow_completion_timeout_sec=self.settings.shutdown_seconds + _LEAVE_SECONDS)
        patience.cancel()
        self.leaving.set()
        self._stop.set()
        if self._heart is not None:  # it beat until now: a job that was ending was nobody else's to take
            self._heart.join(timeout=5)
        try:
            self._hand_over()
        except (OperationalError, InterfaceError) as error:
            log.warning("jobs are left to be taken over", error=type(error).__name__)
        _here = None

    def _hand_over(self) -> None:
        client = DBOSClient(system_database_engine=self.store.writer, application_name=APP)
        left = client.list_workflows(status="PENDING", executor_id=self.name, load_input=False, load_output=False)
        for job in left:
            client.resume_workflow(job.workflow_id, queue_name=QUEUE)
        with self.store.write() as session:
            session.exec(delete(Worker).where(col(Worker.id) == self.name))
        client.destroy()
        log.info("stopped", worker=self.name, handed_over=len(left))

    def _live(self) -> None:
        while not self._stop.wait(self.settings.takeover_seconds / 5):
            try:
                self._beat()
                if not self._stopping.is_set():
                    self._take_over()
            except Exception as error:  # noqa: BLE001 - the store may be away for a while; the heart goes on
                log.warning("heartbeat", error=type(error).__name__)

    def _beat(self) -> None:
        with self.store.write() as session:
            session.merge(Worker(id=self.name, seen=now()))

    def _take_over(self) -> None:
        """Put the jobs of silent workers back into the queue. Only the one that claims a silent worker does so."""
        with self.store.read() as session:
            seen = {worker.id: worker.seen for worker in session.exec(select(Worker))}
        # A worker that took a job without a heartbeat of its own (it was declared dead before, and was only slow) is watched from now on.
        for name in {job.executor_id for job in _at_work()} - seen.keys():
            with self.store.write() as session:
                session.merge(Worker(id=name or "", seen=now()))
        limit = _ago(self.settings.takeover_seconds)
        for name in (name for name, moment in seen.items() if moment < limit and self._claim(name, moment)):
            left = _at_work(name)
            for job in left:
                DBOS.resume_workflow(job.workflow_id, queue_name=QUEUE)
            with self.store.write() as session:
                session.delete(session.get_one(Worker, name))
            log.info("taken over", worker=name, jobs=len(left))

    def _claim(self, name: str, moment: str) -> bool:
        with self.store.write() as session:
            claimed: Any = session.exec(update(Worker).where(col(Worker.id) == name, col(Worker.seen) == moment).values(seen=now()))
        return claimed.rowcount == 1


def _at_work(executor: str | None = None) -> list[Any]:
    """The workflows that executors have begun; of one of them where given."""
    return DBOS.list_workflows(status="PENDING", executor_id=executor, load_input=False, load_output=False)


_here: Runner | None = None


def _ago(seconds: float) -> str:
    from datetime import UTC, datetime, timedelta

    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def worker_name() -> str:
    """A name no other worker has."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


@DBOS.workflow(name=WORKFLOW)
def run_job(job_id: str) -> str:
    """The workflow of every job: plan the steps, do each once, gather. Its own row in `jobs` says how it went."""
    assert _here is not None
    runner = _here
    job = patiently(_begin, runner, job_id)
    if job is None:
        return "ended before"
    kind, meter = KINDS[job.kind], _Meter(runner.store, job_id, runner.leaving)
    try:
        given = kind.request.model_validate(job.request)
        steps: list[Any] = _once("steps", kind.steps, runner, job.owner, given)
        weights = [kind.weight(given, step) for step in steps]
        meter.total(sum(weights))
        parts: list[dict[str, Any]] = []
        for number, step in enumerate(steps):
            meter.at(sum(weights[:number]))
            parts.append(_once(f"step {number}", kind.do, runner, job.owner, given, step, meter))
        result, rows = kind.gather(given, parts, job_id, job.owner)
        patiently(end, runner.store, job_id, "done", result=result, rows=rows)
    except Stopped:
        return "cancelled"
    except Refused as refused:
        patiently(end, runner.store, job_id, "failed", error=refused.problem)
    except Exception as error:
        if runner.leaving.is_set():  # what it ran on is gone; it goes on elsewhere
            raise Leaving from error
        log.error("job failed", job=job_id, error=type(error).__name__, exc_info=error)
        problem = document(500, "Internal error", f"a fault of flopwise ({type(error).__name__}) in job {job_id}").model_dump()
        patiently(end, runner.store, job_id, "failed", error=problem)
    return "ended"


def patiently(fn: Callable[..., T], *given: Any, **named: Any) -> T:
    """`fn` of what is given, tried again for as long as the database is away: a job waits for it rather than fail."""
    pause = 0.5
    while True:
        try:
            return fn(*given, **named)
        except (OperationalError, InterfaceError) as error:
            log.warning("waiting for the database", error=type(error).__name__)
            time.sleep(pause)
            pause = min(2 * pause, 10.0)


def _once(name: str, fn: Callable[..., Any], *given: Any) -> Any:
    """One step: its outcome is kept, so that it is not done again after a crash; a fault is tried three times. Raises Refused, Stopped."""

    def tried() -> dict[str, Any]:
        # Bad input and a stop are outcomes to keep, not faults to try again.
        try:
            return {"value": patiently(fn, *given)}
        except Stopped:
            return {"stopped": True}
        except InputError as error:
            return {"problem": of_input(error).model_dump()}
        except NotThere as error:
            return {"problem": document(404, "Not there", str(error)).model_dump()}

    outcome = DBOS.run_step({"name": name, "retries_allowed": True, "max_attempts": 3, "interval_seconds": 0.5}, tried)
    if "stopped" in outcome:
        raise Stopped(name)
    if "problem" in outcome:
        raise Refused(outcome["problem"])
    return outcome["value"]


def _begin(runner: Runner, job_id: str) -> Job | None:
    """Mark a job as running; None when it has ended, or has brought down workers so often that it is given up."""
    with runner.store.write() as session:
        job = session.get(Job, job_id)
        if job is None or job.status in FINAL:
            return None
        job.status, job.started, job.attempts = "running", job.started or now(), job.attempts + 1
        session.add(job)
    if job.attempts > runner.settings.job_attempts:
        end(
            runner.store,
            job_id,
            "failed",
            error=document(500, "Given up", f"workers died {job.attempts - 1} times while they ran this job").model_dump(),
        )
        return None
    return job


class _Meter:
    """Progress of one job, written now and then. Telling it of work done raises Stopped once the job was cancelled, Leaving once the process stops."""

    def __init__(self, store: Store, job_id: str, leaving: threading.Event | None = None) -> None:
        self._leaving = leaving or threading.Event()
        self._store, self._id, self._done, self._total, self._told = store, job_id, 0, 0, 0.0
        self._lock = threading.Lock()

    def __call__(self, amount: int) -> None:
        if self._leaving.is_set():
            raise Leaving
        with self._lock:
            self._done = min(self._done + amount, self._total)
            if time.monotonic() - self._told >= _TELL_SECONDS:
                self._tell()

    def total(self, amount: int) -> None:
        self._total = amount
        self._tell()

    def at(self, done: int) -> None:
        self._done = done
        if time.monotonic() - self._told >= _TELL_SECONDS:
            self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        if not patiently(_advance, self._store, self._id, self._done, self._total):
            raise Stopped(self._id)


def _advance(store: Store, job_id: str, done: int, total: int) -> bool:
    with store.write() as session:
        changed: Any = session.exec(update(Job).where(col(Job.id) == job_id, col(Job.status).not_in(FINAL)).values(done=done, total=total))
    return changed.rowcount == 1


def work(settings: Settings, name: str | None = None) -> None:
    """Run jobs until SIGTERM or SIGINT. Raises InputError where the store is not one that several processes share."""
    if settings.store_url.startswith("sqlite"):
        raise InputError(
            "FLOPWISE_DATABASE_URL",
            "workers need a PostgreSQL that they share with the servers",
            "for example postgresql://user@host/flopwise; on SQLite, `flopwise serve` runs the jobs itself",
        )
    store = Store(settings.store_url)
    desk = Jobs(store)
    runner = Runner(store, Plans(store, settings), settings, name or worker_name())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    runner.start()
    log.info("worker", name=runner.name)
    stop.wait()
    runner.stop()
    runner.plans.close()
    desk.close()
    store.close()
