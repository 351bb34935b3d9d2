"""Traces by OpenTelemetry: a request is a span with its route."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from server import tracing


def test_a_request_is_a_span():
    export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter", reason="needs the extra `otel`")
    pytest.importorskip("opentelemetry.instrumentation.fastapi", reason="needs the extra `otel`")
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter", reason="needs the extra `otel`")
    app = FastAPI()
    app.get("/ping")(lambda: {"ok": True})
    exporter = export.InMemorySpanExporter()
    tracing.install(app, exporter)
    assert TestClient(app).get("/ping").status_code == 200
    assert any("/ping" in span.name for span in exporter.get_finished_spans())
