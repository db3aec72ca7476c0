"""Structured logs."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog

from core.access.keys import KEY_PATTERN

_KEY = re.compile(KEY_PATTERN)


def configure_logs(*, level: int = logging.INFO) -> None:
    """Send structured logs to standard error: lines to read on a terminal, JSON elsewhere."""
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            _without_keys,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("uvicorn.access").addFilter(_hide_keys)


def origin() -> dict[str, str]:
    """Return the fields of a job's spec that say which request, with which key, is served here."""
    bound = structlog.contextvars.get_contextvars()
    return {"request_id": bound.get("request_id", ""), "key_id": bound.get("key", "")}


def _hidden(value: Any) -> Any:
    return _KEY.sub(r"tailor_\1_…", value) if isinstance(value, str) else value


def _without_keys(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Hide API keys: nothing writes one, but a client may send its key where it does not belong."""
    return {name: _hidden(value) for name, value in event.items()}


def _hide_keys(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(map(_hidden, record.args))
    return True
