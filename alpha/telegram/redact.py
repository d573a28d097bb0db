"""The bot token never appears in logs or errors. Telegram puts it into every address, so both
the HTTP client's log lines and the texts of exceptions would carry it."""

from __future__ import annotations

import logging
import re

_TOKEN = re.compile(r"\d{5,}:[A-Za-z0-9_-]{20,}")
MASK = "<token>"


def redact(text: str, token: str) -> str:
    """`text` without the token, nor anything that looks like another one."""
    return _TOKEN.sub(MASK, text.replace(token, MASK) if token else text)


def quiet_http_logs() -> None:
    """The HTTP client logs addresses at INFO and below, the Bot API client at DEBUG."""
    for name in ("httpx", "httpcore", "telegram"):
        logging.getLogger(name).setLevel(logging.WARNING)
