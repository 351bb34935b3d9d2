from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from server.app import create_app
from server.auth import create_key
from server.settings import Settings


@pytest.fixture(scope="session")
def service_settings() -> Callable[..., Settings]:
    """Settings for a service with its store in a folder; anything else by name."""

    def make(folder: Path, **given: Any) -> Settings:
        return Settings(**{"data_dir": folder, "jobs_here": False, "shutdown_seconds": 5, **given})

    return make


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, service_settings: Callable[..., Settings]) -> Iterator[TestClient]:
    """The service on loopback without keys and without jobs."""
    with TestClient(create_app(service_settings(tmp_path_factory.mktemp("service")))) as client:
        yield client


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory, service_settings: Callable[..., Settings]) -> Iterator[TestClient]:
    """The service on loopback without keys, running its jobs."""
    with TestClient(
        create_app(service_settings(tmp_path_factory.mktemp("working"), jobs_here=True, parallel_backend="threading"))
    ) as client:
        yield client


@pytest.fixture(scope="module")
def guarded(
    tmp_path_factory: pytest.TempPathFactory, service_settings: Callable[..., Settings]
) -> Iterator[tuple[TestClient, dict[str, dict[str, str]]]]:
    """The service as if beyond loopback, and the headers of two tenants' keys, of a read-only one and of an operator's."""
    settings = service_settings(
        tmp_path_factory.mktemp("guarded"), require_keys=True, jobs_here=True, rate_per_minute=100_000, parallel_backend="threading"
    )
    with TestClient(create_app(settings)) as client:
        store = client.app.state.store  # type: ignore[attr-defined]
        secrets = {
            name: create_key(store, owner, scopes=scopes)[1]
            for name, owner, scopes in (
                ("ann", "ann", ("read", "write")),
                ("bob", "bob", ("read", "write")),
                ("reader", "ann", ("read",)),
                ("operator", "ops", ("read", "admin")),
            )
        }
        yield client, {name: {"Authorization": f"Bearer {secret}"} for name, secret in secrets.items()}
