"""What of the ledger is from before limits began to count is read once for an account."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import pytest

from alpha.core.earlier import Earlier
from alpha.ledger.pool import Pool
from alpha.ledger.queries import load
from alpha.ledger.registry import AccountEntry, BotEntry, register
from alpha.ledger.risk_journal import Look, read, read_earlier
from tests.ledger.conftest import ACCOUNT, BOTS
from tests.ledger.test_lookups import FILL

OTHER, OTHER_BOT = "other", "other_001"
FIRST_MS = 1_762_000_000_000
DAYS = 30
#: The other account: half of everything, with funding.
MORE = f"""
INSERT INTO trading.executions (account, symbol, exec_id, order_id, order_link_id, side, exec_type,
    price, qty, value, fee, fee_currency, leaves_qty, is_maker, create_type, order_type,
    stop_order_type, exec_time, seq, source)
SELECT '{OTHER}', symbol, exec_id, order_id, '', CASE WHEN seq % 3 = 0 THEN 'Sell' ELSE 'Buy' END,
       exec_type, 2, 3, 6, 0.25, fee_currency, 0, true, '', 'Market', '', exec_time, seq, source
  FROM trading.executions WHERE seq % 2 = 0;
INSERT INTO trading.fills (account, symbol, exec_id, bot_id, leg, order_id, order_link_id, side,
    exec_type, exec_price, exec_qty, commission, fee_currency, effect, reason, reason_source,
    attribution, realised, position_after, is_maker, exec_time, seq)
SELECT account, symbol, exec_id, '{OTHER_BOT}', 1, order_id, '', side, exec_type, price, qty, fee,
       fee_currency, 'entry', 'entry', 'id', 'id', 0, 1, is_maker, exec_time, seq
  FROM trading.executions WHERE account = '{OTHER}';
INSERT INTO trading.funding_payments (account, symbol, exec_id, bot_id, position, rate, amount,
    currency, exec_time, seq)
SELECT account, symbol, exec_id, '{OTHER_BOT}', 1, 0.0001, -0.01, 'USDT', exec_time, seq
  FROM trading.executions WHERE account = '{OTHER}' AND seq % 10 = 0;
ANALYZE trading.executions; ANALYZE trading.fills; ANALYZE trading.funding_payments;
"""


@pytest.fixture
async def full(pool: Pool) -> Pool:
    await register(
        pool,
        [AccountEntry(OTHER, "paper")],
        [BotEntry(OTHER_BOT, OTHER, OTHER_BOT, "beat", "paper")],
    )
    await pool.execute(FILL)
    await pool.execute(MORE)
    return pool


async def by_hand(pool: Pool, look: Look) -> Earlier:
    rows = await pool.fetch(
        "SELECT symbol, sum(cash) AS cash, sum(qty) AS qty FROM ("
        " SELECT symbol, CASE side WHEN 'Buy' THEN -exec_value ELSE exec_value END - commission AS"
        "  cash, CASE side WHEN 'Buy' THEN exec_qty ELSE -exec_qty END AS qty FROM trading.fills"
        "  WHERE account = ANY ($1) AND ($2::text IS NULL OR bot_id = $2) AND exec_time < $3"
        " UNION ALL SELECT symbol, amount, 0 FROM trading.funding_payments"
        "  WHERE account = ANY ($1) AND ($2::text IS NULL OR bot_id = $2) AND exec_time < $3) moved"
        " GROUP BY symbol",
        *(list(look.accounts), look.bot_id, look.before_ms),
    )
    held = {row["symbol"]: row["qty"] for row in rows if row["qty"]}
    return Earlier(sum((row["cash"] for row in rows), Earlier().cash), held)


def subjects(day: int) -> list[tuple[str, str, tuple[str, ...], str | None]]:
    return [
        ("overall", f"{ACCOUNT}+{OTHER}+{day}", (ACCOUNT, OTHER), None),
        ("account", f"{ACCOUNT}+{day}", (ACCOUNT,), None),
        ("bot", f"{BOTS[0]}+{day}", (ACCOUNT,), BOTS[0]),
        ("bot", f"{OTHER_BOT}+{day}", (OTHER,), OTHER_BOT),
    ]


async def test_scopes_of_many_days_ask_each_account_once(
    full: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A moment is that of an execution itself: this one is not before it."""
    looks: dict[tuple[str, str], Look] = {}
    for day in range(DAYS):
        began_ms = FIRST_MS + day * 170_000
        for scope, subject, accounts, bot_id in subjects(day):
            looks[scope, subject] = Look(accounts, bot_id, began_ms)
            await full.execute(
                "INSERT INTO trading.risk_anchors (scope, subject, accounts, account, bot_id, day,"
                " day_equity, day_result, week, week_equity, week_result, peak_equity, peak_result,"
                " seen_at, equity, result, began_at, earlier_cash, earlier_held)"
                " VALUES ($1, $2, $3, $4, $5, DATE '2026-01-05', 100, 1, DATE '2026-01-05', 100, 2,"
                ' 100, 3, now(), 100, 4, $6, 5, \'{"S4": "2"}\')',
                *(scope, subject, list(accounts)),
                *(None if scope == "overall" else accounts[0], bot_id, began_ms),
            )
    asked: list[str] = []
    real = full.fetch

    async def counted(query: str, *arguments: object) -> list[asyncpg.Record]:
        asked.append(query)
        return await real(query, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(full, "fetch", counted)
        stored = await read(full, [ACCOUNT, OTHER])
    sql = load("risk.sql")
    assert asked.count(sql["earlier"]) == 2 and asked.count(sql["last_prices"]) == 1
    assert len(asked) == 6
    known = Earlier(Earlier().cash + 5, {"S4": Earlier().cash + 2})
    for key, look in looks.items():
        since = stored.anchors[key].since
        expected = (await by_hand(full, look)).plus(known, -1)
        assert since == expected and not since.is_nothing, key
        # The two accounts trade a symbol in the same moments.
        prices = (
            {1} if look.accounts == (ACCOUNT,) else {2} if look.accounts == (OTHER,) else {1, 2}
        )
        assert set(since.prices.values()) <= prices
        assert since.prices.keys() == since.held.keys()


async def test_the_answers_are_those_of_single_questions(full: Pool) -> None:
    def look(accounts: Sequence[str], bot_id: str | None, after_s: int) -> Look:
        return Look(tuple(accounts), bot_id, FIRST_MS + after_s * 1000)

    looks = [
        look([ACCOUNT, OTHER], None, 2_500),
        look([OTHER], OTHER_BOT, 10),
        look([OTHER], None, 0),
        look([ACCOUNT], BOTS[0], 2_500),
        look([ACCOUNT], BOTS[1], 99_999),
        look([ACCOUNT], "nobody", 99_999),
    ]
    answers = await read_earlier(full, looks)
    assert answers == [await by_hand(full, one) for one in looks]
    assert answers[2].is_nothing and answers[5].is_nothing and not answers[1].is_nothing
    assert await read_earlier(full, []) == []


async def test_history_before_the_ledger_is_found_by_time(full: Pool) -> None:
    """What limits ask for at a start is mostly nothing: they began before anything was traded."""
    async with full.acquire() as connection:
        arguments = (ACCOUNT, [FIRST_MS - 1, FIRST_MS], FIRST_MS)
        rows = await connection.fetch(f"EXPLAIN {load('risk.sql')['earlier']}", *arguments)
    plan = "\n".join(row[0] for row in rows)
    assert "Seq Scan on fills" not in plan and "fills_by_" in plan, plan
