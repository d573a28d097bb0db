"""Texts as Telegram takes them: HTML, at most 4096 UTF-16 units, split between lines."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

MAX_UNITS = 4096
_OPEN, _CLOSE = "<pre>", "</pre>"


def units(text: str) -> int:
    """Telegram's measure of length."""
    return len(text.encode("utf-16-le")) // 2


def pages(text: str) -> list[str]:
    """`text` as one or more messages of preformatted HTML, none empty, none too long."""
    room = MAX_UNITS - len(_OPEN) - len(_CLOSE)
    made: list[str] = []
    page: list[str] = []
    used = 0
    for line in _fitting_lines(text, room):
        size = units(escape(line, quote=False)) + 1
        if page and used + size > room:
            made.append(_page(page))
            page, used = [], 0
        page.append(line)
        used += size
    if page:
        made.append(_page(page))
    return [one for one in made if one != _OPEN + _CLOSE]


def _page(lines: list[str]) -> str:
    return _OPEN + escape("\n".join(lines).strip("\n"), quote=False) + _CLOSE


def _fitting_lines(text: str, room: int) -> Iterator[str]:
    """The lines of `text`; one that alone is too long for a message is cut."""
    for line in text.splitlines():
        piece = ""
        size = 0
        for character in line:
            more = units(escape(character, quote=False))
            if size + more + 1 > room:
                yield piece
                piece, size = "", 0
            piece += character
            size += more
        yield piece
