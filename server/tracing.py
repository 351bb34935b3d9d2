"""Traces of requests by OpenTelemetry, where the extra `otel` is installed and FLOPWISE_OTEL is set; exporters by the OTEL_* variables."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from knowledge.errors import InputError


def install(app: FastAPI, exporter: Any = None) -> None:
    """Trace every request of the app. Raises InputError where the extra is missing; `exporter` stands in for OTLP in tests."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # pyright: ignore
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # pyright: ignore
        from opentelemetry.sdk.resources import Resource  # pyright: ignore
        from opentelemetry.sdk.trace import TracerProvider  # pyright: ignore
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor  # pyright: ignore
    except ImportError:
        raise InputError("FLOPWISE_OTEL", "OpenTelemetry is not installed", "pip install 'flopwise[otel]'") from None
    provider: Any = TracerProvider(resource=Resource.create({"service.name": "flopwise"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()) if exporter is None else SimpleSpanProcessor(exporter))
    instrumentor: Any = FastAPIInstrumentor
    instrumentor.instrument_app(app, tracer_provider=provider)
