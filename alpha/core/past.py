"""Positions as of earlier moments, for replaying what a bot was shown."""

from __future__ import annotations

from bisect import bisect_right

from alpha.core.book import Book
from alpha.core.records import AttributionRules, BotPosition


class PastPositions:
    """A book as it is now, walked forward: each of its rows is folded once, however many moments
    are asked for. A moment before the last one begins anew."""

    def __init__(self, book: Book, rules: AttributionRules) -> None:
        self._book = book
        self._rules = rules
        self._rows = book.rows
        self._places = {row.exec_id: count for count, row in enumerate(self._rows, 1)}
        self._walked, self._count = book.anew(), 0

    def at(self, bot_id: str, at_ms: int, exec_id: str) -> BotPosition:
        """The bot's position up to and with execution `exec_id` when that is in the book, else
        with everything up to `at_ms`."""
        count = self._places.get(exec_id)
        if count is None:
            count = bisect_right(self._rows, at_ms, key=lambda row: row.exec_time)
        if count < self._count:
            self._walked, self._count = self._book.anew(), 0
        self._walked.add(self._rows[self._count : count], self._rules)
        self._count = count
        return self._walked.position(bot_id)
