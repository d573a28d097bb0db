"""What a bot has missed, delivered at once."""

from __future__ import annotations

import pytest

from alpha.core.book import Book
from alpha.core.records import AttributionRules, BotPosition
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
    folded: list[str] = []
    position_at = Book.position_at

    def counted(
        book: Book, bot_id: str, at_ms: int, exec_id: str, rules: AttributionRules
    ) -> BotPosition:
        folded.append(exec_id)
        return position_at(book, bot_id, at_ms, exec_id, rules)

    monkeypatch.setattr(Book, "position_at", counted)
    again = Life(life.exchange, life.pool, life.clock)
    again.beat.idle = True
    await again.start(dict.fromkeys(range(200), EVEN))
    assert again.beat.closes >= 199
    assert 0 < len(folded) <= 4
    await again.kill()
