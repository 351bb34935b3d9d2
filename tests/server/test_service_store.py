"""The store: migrations on both databases, durability of acknowledged writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import inspect
from sqlmodel import select

from server.store.engine import Store, alembic_config, downgrade, make_engine, upgrade
from server.store.tables import Thread

WRITER = """
import sys
from server.store.engine import Store
from server.store.tables import Thread
store = Store(sys.argv[1])
for number in range(100_000):
    with store.write() as session:
        session.add(Thread(id=f"thread_{number}", owner="ann", title="x" * 500))
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


def test_kill_during_writes_loses_nothing_acknowledged(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'killed.sqlite'}"
    acknowledged = -1
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER.replace("range(100_000)", f"range({acknowledged + 1}, 100_000)"), url],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                acknowledged = int(line)
                if acknowledged % 40 == 39:
                    break
            time.sleep(0.003 * (acknowledged % 7))
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().split()
            acknowledged = int(rest[-1]) if rest else acknowledged
        store = Store(url)
        assert store.check() == "ok"
        with store.read() as session:
            kept = {thread.id for thread in session.exec(select(Thread))}
        assert {f"thread_{number}" for number in range(acknowledged + 1)} <= kept
        acknowledged = len(kept) - 1
        store.close()
