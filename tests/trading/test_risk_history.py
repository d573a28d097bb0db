"""Portfolio limits and history that comes late: what is from before them is no loss of today."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alpha.core.records import Override
from alpha.core.risk import DAY_MS, Action, Kind
from alpha.errors import RetryLater
from tests.core.histories import by
from tests.trading.exchange import START_MS
from tests.trading.life import ACCOUNT
from tests.trading.limited import BTC, ETH, ONE, TWO, Limited, Start, hold, rule

D = Decimal


@pytest.mark.parametrize("exit_price", ["40", "160"])
async def test_history_is_no_result_of_today(
    limited: Start, exit_price: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """600 USDT lost or won long ago: 6 % of the bot's capital, 0.6 % of the account."""
    losses = (
        rule(Kind.DAILY_LOSS, "0.004", Action.FLATTEN),
        rule(Kind.WEEKLY_LOSS, "0.004", Action.HALT),
        rule(Kind.DRAWDOWN, "0.004", Action.HALT),
    )
    crew = await limited(overall=losses, account=losses, **{ONE: losses})
    await hold(crew)
    crew.risk.assess()
    before = _lost(crew)
    catch_up = crew.life.service.recovery.catch_up
    old = {"account": ACCOUNT, "symbol": ETH}
    bought = by(ONE, "e1", "Buy", "10", "100", **old, exec_time=START_MS - 9 * DAY_MS)
    sold = by(ONE, "e2", "Sell", "10", exit_price, **old, exec_time=START_MS - 8 * DAY_MS)
    await catch_up.put_before(ETH, [bought, sold])
    open_end = [
        by(ONE, "e3", "Buy", "10", "100", **old, exec_time=START_MS - 11 * DAY_MS),
        by(ONE, "e4", "Sell", "10", exit_price, **old, exec_time=START_MS - 10 * DAY_MS),
    ]
    with monkeypatch.context() as patched:
        patched.setattr(catch_up, "_bring", _moved)
        with pytest.raises(RetryLater):
            await catch_up.bring(open_end)
    await catch_up.run({})  # a later sweep finishes what was begun
    moved = 2 * 10 * (D(exit_price) - 100)
    assert crew.life.account.balance.cash[ONE] - moved == _paid(crew)
    await crew.look()
    assert _lost(crew) == before and crew.alerts == [] and crew.held(ONE) == D("4.5")
    await crew.journal.flush()
    await crew.restart()
    await crew.look()
    assert crew.alerts == [] and _lost(crew) == before

    missed = {"account": ACCOUNT, "symbol": "XRPUSDT"}
    rows = [
        by(ONE, "e5", "Buy", "10", "100", **missed, exec_time=START_MS + 1),
        by(ONE, "e6", "Sell", "10", "40", **missed, exec_time=START_MS + 2),
    ]
    await crew.life.service.recovery.catch_up.bring(rows)
    await crew.look()
    assert "risk_breach" in crew.kinds(), "what was missed counts"


#: Where the process ends without a word after history has entered the ledger: not at all, before
#: anything of limits has heard of it, before anchors are written, after that.
ENDS = ["runs on", "at once", "before anchors", "after anchors"]


async def _goes_on(crew: Limited, end: str) -> None:
    if end in ("runs on", "before anchors", "after anchors"):
        await crew.look()
    if end == "after anchors":
        await crew.journal.flush()
    if end != "runs on":
        await crew.restart()
    await crew.look()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("price", ["30", "170"])
async def test_what_history_has_opened_is_no_result_of_today(
    limited: Start, price: str, end: str
) -> None:
    """700 USDT open, won or lost long ago: 7 % of the bot's capital, 0.7 % of the account."""
    losses = (
        rule(Kind.DAILY_LOSS, "0.004", Action.HALT),
        rule(Kind.WEEKLY_LOSS, "0.004", Action.HALT),
        rule(Kind.DRAWDOWN, "0.004", Action.HALT),
    )
    crew = await limited(overall=losses, account=losses, **{ONE: losses})
    await hold(crew)
    await crew.look()
    await crew.journal.flush()
    before = _lost(crew)
    old = {"account": ACCOUNT, "symbol": ETH, "exec_time": START_MS - 9 * DAY_MS}
    await crew.life.service.recovery.catch_up.bring([by(ONE, "e1", "Buy", "10", price, **old)])
    await _goes_on(crew, end)
    assert crew.held(ONE, ETH) == 10 and crew.alerts == []
    assert _lost(crew) == before
    await crew.tick("35", symbol=ETH)
    await crew.look()
    assert "risk_breach" in crew.kinds(), "what it loses from now on counts"


@pytest.mark.parametrize("end", ENDS)
async def test_what_history_has_opened_and_today_has_closed_counts_from_today(
    limited: Start, end: str
) -> None:
    losses = (rule(Kind.DAILY_LOSS, "0.004", Action.HALT),)
    crew = await limited(overall=losses, account=losses, **{ONE: losses})
    await hold(crew)
    catch_up = crew.life.service.recovery.catch_up
    eth = {"account": ACCOUNT, "symbol": ETH}
    price = crew.exchange.price(ETH)
    sold = by(ONE, "e2", "Sell", "10", f"{price}", **eth, exec_time=START_MS + 1)
    await catch_up.bring([sold])
    await crew.look()
    await crew.journal.flush()
    before = _lost(crew)
    bought = by(ONE, "e1", "Buy", "10", f"{price + 70}", **eth, exec_time=START_MS - 9 * DAY_MS)
    await catch_up.bring([bought])
    await _goes_on(crew, end)
    assert crew.held(ONE, ETH) == 0 and crew.alerts == []
    assert _lost(crew) == before


async def test_a_fill_that_is_given_to_another_bot_moves_no_limit_if_it_is_old(
    limited: Start,
) -> None:
    losses = (rule(Kind.DRAWDOWN, "0.02", Action.HALT),)
    crew = await limited(**{ONE: losses, TWO: losses})
    catch_up = crew.life.service.recovery.catch_up
    await hold(crew)
    await crew.look()
    eth = {"account": ACCOUNT, "symbol": ETH}
    rows = [
        by(ONE, "e1", "Buy", "10", "100", **eth, exec_time=START_MS - 9 * DAY_MS),
        by(ONE, "e2", "Sell", "10", "40", **eth, exec_time=START_MS - 8 * DAY_MS),
    ]
    await catch_up.put_before(ETH, rows)
    await crew.look()
    for row in rows:
        given = Override(ACCOUNT, row.symbol, row.exec_id, TWO, "root", "operator", "", START_MS)
        await catch_up.assign(given, row.exec_time)
        await crew.look()
    assert crew.life.account.balance.cash[TWO] == -600
    assert crew.alerts == []
    await crew.journal.flush()
    await crew.restart()
    await crew.look()
    assert crew.alerts == []


async def _moved(*_: object) -> None:
    raise RetryLater("expected books to stay as they were while read, did not; again")


def _lost(crew: Limited) -> list[tuple[Decimal, Decimal, Decimal]]:
    """Since the day, the week and the best began, by scope."""
    found = [one.anchors for one in crew.risk.scopes if one.anchors is not None]
    return [
        (
            round(at.day_result - at.result, 6),
            round(at.week_result - at.result, 6),
            round(at.peak_result - at.result, 6),
        )
        for at in found
    ]


def _paid(crew: Limited) -> Decimal:
    """The fees of what the bot holds."""
    fills = crew.life.account.books[BTC].fills_of(ONE)
    return -sum((fill.fee for fill in fills), D(0))
