"""Frames that a stream cannot use: counted by kind, and the first of each kind logged.

A kind is what a frame says it is, not what it holds, so that a thousand frames of one fault make
one line in the log. Names come from outside: how many kinds are told apart is bounded.
"""

from __future__ import annotations

import re
from collections import Counter

import structlog

from alpha.bybit.fields import MalformedFrame, without_secrets

log = structlog.get_logger(__name__)

_MOST_KINDS = 50
_OTHER = "other"
_NAMED = re.compile(r'"(topic|op)"\s*:\s*"([A-Za-z_][A-Za-z_-]{0,39})')


class OddFrames:
    """What one stream has met. `malformed` does not say what the protocol says and may have
    hidden something; `unknown` is well formed and nothing that Alpha asked for."""

    def __init__(self, stream: str) -> None:
        self.malformed: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self._stream = stream

    def met_malformed(self, error: MalformedFrame) -> None:
        named = _NAMED.search(error.raw)
        kind = _counted(self.malformed, named[2] if named else "unreadable")
        if self.malformed[kind] == 1:
            log.error(
                "malformed frame; further ones of its kind are counted only",
                stream=self._stream,
                kind=kind,
                problem=error.problem,
                raw=error.raw,
            )

    def met_unknown(self, name: str, raw: bytes | str) -> None:
        kind = _counted(self.unknown, name.partition(".")[0][:40])
        if self.unknown[kind] == 1:
            text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
            log.warning(
                "unknown frame; further ones of its kind are counted only",
                stream=self._stream,
                kind=kind,
                raw=without_secrets(text),
            )


def _counted(counter: Counter[str], kind: str) -> str:
    if kind not in counter and len(counter) >= _MOST_KINDS:
        kind = _OTHER
    counter[kind] += 1
    return kind
