"""Structured logs: one JSON object (or one console line) an event, with the request id; what may be secret is blanked."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET = re.compile(r"(fw_|sk-|xox[a-z]?[-.]|xapp-)[A-Za-z0-9_-]{6,}|(?<=://)[^/@\s:]+:[^@\s]+(?=@)|(?i:(?<=bearer )\S+)")
_SECRET_NAMES = re.compile(r"(?i)authorization|secret|password|api_?key|token$")


def blank(text: str) -> str:
    """A text without keys, tokens and passwords in URLs."""
    return SECRET.sub("[secret]", text)


def _blanked(_logger: Any, _name: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {
        name: "[secret]" if _SECRET_NAMES.search(name) else blank(value) if isinstance(value, str) else value
        for name, value in fields.items()
    }


class _Standard(logging.Formatter):
    """Records of libraries, which log by the standard module, in the same form."""

    def __init__(self, last: Any) -> None:
        super().__init__()
        self._last = last

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {"event": record.getMessage(), "level": record.levelname.lower(), "logger": record.name}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        fields = structlog.processors.TimeStamper(fmt="iso", utc=True)(None, "", fields)  # pyright: ignore[reportAssignmentType]
        return str(self._last(None, "", _blanked(None, "", fields)))


def configure(level: str = "INFO", form: str = "json") -> None:
    """Set up structlog and the standard module alike; logs go to standard error."""
    last = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _blanked,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Standard(last))
    root = logging.getLogger()
    root.handlers, root.level = [handler], max(number, logging.WARNING)
