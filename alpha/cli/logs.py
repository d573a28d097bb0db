"""Log lines: on stderr, so that stdout holds answers only, with everything secret masked."""

from __future__ import annotations

import logging
import re
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

_SECRET_NAME = re.compile(r"secret|password|token|api_?key|signature", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")
_BOT_TOKEN = re.compile(r"\d{5,}:[A-Za-z0-9_-]{20,}")
_MASK = "********"


def configure(level: str) -> None:
    """Sets up the log of this process; `level` is a word of `[log] level`."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask_secrets,
            structlog.processors.KeyValueRenderer(
                key_order=["timestamp", "level", "event"], drop_missing=True
            )
            if not sys.stderr.isatty()
            else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=_to_stderr,
        cache_logger_on_first_use=False,
    )


def _to_stderr(*_: object) -> structlog.PrintLogger:
    return structlog.PrintLogger(sys.stderr)


def mask_secrets(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Values under telling names, passwords in addresses, bot tokens anywhere."""
    for name, value in event.items():
        if _SECRET_NAME.search(name) and isinstance(value, str):
            event[name] = _MASK
        elif isinstance(value, str):
            event[name] = _BOT_TOKEN.sub(_MASK, _PASSWORD_IN_URL.sub(rf"\g<1>{_MASK}@", value))
    return event
