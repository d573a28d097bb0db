"""What a bot has missed, delivered at once."""

from __future__ import annotations

import pytest

from alpha.core.book import Book
from tests.trading.life import Life
from tests.trading.test_faults import EVEN, enter, hear, leave


async def test_a_long_replay_folds_no_book_again_for_every_close(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one step of the loop: a fold for each close would keep everything else waiting."""
    await enter(life)
    await hear(life)
    await leave(life)
    await hear(life)
    await life.stored()
    await life.kill()
    begun: list[str] = []
    anew = Book.anew

    def counted(book: Book) -> Book:
        begun.append(book.symbol)
        return anew(book)

    monkeypatch.setattr(Book, "anew", counted)
    again = Life(life.exchange, life.pool, life.clock)
    again.beat.idle = True
    await again.start(dict.fromkeys(range(200), EVEN))
    assert again.beat.closes >= 199
    assert 0 < len(begun) <= 2
    await again.kill()
