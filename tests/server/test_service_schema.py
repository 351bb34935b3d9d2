"""What the OpenAPI document promises, kept: no drift, no 500, no answer outside its schema, and a pointer in every refusal."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from fastapi.testclient import TestClient

from server.openapi_file import PATH, current

N_MALFORMED = int(os.environ.get("FLOPWISE_MALFORMED", "400"))
N_EXAMPLES = int(os.environ.get("FLOPWISE_SCHEMA_EXAMPLES", "5"))


def test_the_kept_document_is_that_of_the_app() -> None:
    assert PATH.read_text(encoding="utf8") == current(), "run: python -m server.openapi_file"


def test_malformed_bodies_are_refused_with_a_pointer(service: TestClient) -> None:
    from server_malformed import bodies  # type: ignore[import-not-found]

    for path, body in bodies(N_MALFORMED):
        response = service.post(path, content=body, headers={"Content-Type": "application/json"})
        assert 400 <= response.status_code < 500, (path, body, response.status_code, response.text[:300])
        problem = response.json()
        assert problem["errors"], (path, body, problem)
        assert all(error["pointer"].startswith("/") for error in problem["errors"]), (path, body, problem)


def test_schemathesis_finds_no_fault(service: TestClient) -> None:
    schemathesis: Any = pytest.importorskip("schemathesis", reason="the PyPI package schemathesis is not installed")
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    @schemathesis.serializer("application/jsonl")
    def lines(context: Any, value: Any) -> Any:
        return str(value).encode("utf8", "replace")

    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", service.app)
    checked = 0
    faults: list[str] = []
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == "/metrics" or operation.path.endswith("/events"):
            continue
        checked += 1

        @given(case=operation.as_strategy())
        @settings(
            max_examples=N_EXAMPLES,
            database=None,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def holds(case: Any) -> None:
            # What fits the schema may still be refused for what it means: an unknown law, a missing input.
            case.call_and_validate(excluded_checks=[positive_data_acceptance], session=service)

        try:
            holds()
        except BaseExceptionGroup as fault:
            faults.append(f"{operation.method.upper()} {operation.path}: {fault}"[:1500])
    assert not faults, "\n\n".join(faults)
    assert checked > 40


def test_every_operation_has_a_description() -> None:
    document = json.loads(PATH.read_text(encoding="utf8"))
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), (method, path)
