"""What any implementation of these bots has to get right, one test a point and bot.

Two points have files of their own: restarts in any state (3) are in test_BOT_restart.py, published
numbers (10) in test_BOT_golden.py, test_restated.py, test_lxalgo_published.py and
test_lxalgo_oracle.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from msgspec.structs import replace as changed

from alpha.bots import Bar, Enter, Exit
from alpha.core.book import Book
from alpha.core.decisions import Decision
from alpha.core.events import Execution, Side
from alpha.core.ids import parse
from alpha.core.instruments import SizeRejected
from alpha.core.reasons import BUILTIN
from alpha.core.records import AttributionRules, BookChange
from alpha.core.steps import QtySteps
from tests.core.histories import execution, funding
from tests.plugins import breakouts, lxalgo_tape, shortseller_tape
from tests.plugins.breakouts import BREAKOUT
from tests.plugins.desk import instrument

D = Decimal
BTC, ETH, SOL = "BTCUSDT", "ETHUSDT", "SOLUSDT"
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ACCOUNT = "main"
Tape = shortseller_tape.Tape | breakouts.Tape | lxalgo_tape.Tape


@dataclass(frozen=True)
class Bot:
    """`begin(symbols, start_ms)` gives a warm market that has decided the bar of
    `start_ms`; `signal` closes one bar on which every symbol is entered."""

    name: str
    entry: Side
    reason: str
    bar_ms: int
    begin: Callable[..., Tape]
    signal: Callable[[Tape], Decision | None]

    @property
    def bot_id(self) -> str:
        return f"{self.name}_001"

    @property
    def exit(self) -> Side:
        return "Sell" if self.entry == "Buy" else "Buy"

    @property
    def sign(self) -> int:
        return 1 if self.entry == "Buy" else -1


def begin_short(symbols: tuple[str, ...], start_ms: int, *, fills: bool = True) -> Tape:
    tape = shortseller_tape.tape(symbols=symbols, start_ms=start_ms, fills=fills)
    tape.close(101.0)
    return tape


def begin_momentum(symbols: tuple[str, ...], start_ms: int, *, fills: bool = True) -> Tape:
    tape = breakouts.market(symbols=symbols, start_ms=start_ms, fills=fills)
    tape.close()
    return tape


def begin_lxalgo(symbols: tuple[str, ...], start_ms: int, *, fills: bool = True) -> Tape:
    tape = lxalgo_tape.tape(symbols=symbols, start_ms=start_ms, fills=fills)
    tape.close(100.0)
    return tape


def drop(tape: Tape) -> Decision | None:
    assert isinstance(tape, shortseller_tape.Tape)
    return tape.close(99.0)


def break_out(tape: Tape) -> Decision | None:
    assert isinstance(tape, breakouts.Tape)
    return tape.close(dict.fromkeys(tape.symbols, BREAKOUT))


def jump(tape: Tape) -> Decision | None:
    assert isinstance(tape, lxalgo_tape.Tape)
    return tape.close(109.0)


BOTS = {
    "lxalgo": Bot("lxalgo", "Buy", "rule_8", 300_000, begin_lxalgo, jump),
    "shortseller": Bot("shortseller", "Sell", "ema_cross", 300_000, begin_short, drop),
    "momentum": Bot(
        "momentum", "Buy", "volatility_breakout", 14_400_000, begin_momentum, break_out
    ),
}
#: 2025-09-30 00:00 UTC, a Tuesday; the next midnight ends the month.
TUESDAY = 1_759_190_400_000


@pytest.fixture(params=sorted(BOTS))
def bot(request: pytest.FixtureRequest) -> Bot:
    return BOTS[request.param]


def orders(decision: Decision | None) -> list[tuple[str, str, str]]:
    assert decision is not None
    return [(p.intent.kind, p.intent.symbol, p.intent.reason) for p in decision.planned]


def entered(bot: Bot, *symbols: str) -> list[tuple[str, str, str]]:
    return [("enter", symbol, bot.reason) for symbol in symbols]


def any_bar(bot: Bot, tape: Tape, close: float) -> Bar:
    return Bar(BTC, bot.bar_ms, tape.start_ms, close, close, close, close, 9.0, 9.0)


def booked(bot: Bot, rows: list[Execution]) -> tuple[Book, BookChange]:
    """The ledger's fold over an account with this one bot."""
    book = Book(ACCOUNT, ETH, qty_steps=QtySteps.always(D("0.01")))
    return book, book.add(rows, AttributionRules(ACCOUNT, frozenset({bot.bot_id})))


def own(bot: Bot, link_id: str, exec_id: str, side: Side, qty: str, price: str) -> Execution:
    fee = D(qty) * D(price) * D("0.00055")
    return replace(execution(exec_id, side, qty, price, fee=fee), order_link_id=link_id)


# -- 1 ----------------------------------------------------------------------------------------


def test_an_unconfirmed_bar_changes_nothing(bot: Bot) -> None:
    tape = bot.begin((BTC,), TUESDAY)
    before = tape.desk.handle.saved
    for close in (10.0, 1000.0):
        tape.desk.handle.bar(changed(any_bar(bot, tape, close), closed=False))
    assert tape.desk.handle.saved == before
    decision = bot.signal(tape)
    other = bot.signal(bot.begin((BTC,), TUESDAY))
    assert orders(decision) == entered(bot, BTC)
    assert decision == other


# -- 2 ----------------------------------------------------------------------------------------


def test_a_repeated_bar_and_a_gap_cause_no_trade(bot: Bot) -> None:
    tape = bot.begin((BTC,), TUESDAY, fills=False)
    handle = tape.desk.handle
    before = handle.saved
    again = changed(any_bar(bot, tape, 99.0), start_ms=tape.start_ms - bot.bar_ms)
    handle.bar(again)
    snapshot = tape.desk.snapshot(tape.now)
    assert handle.close(bot.bar_ms, tape.now, {BTC: again}, snapshot) is None
    assert handle.saved == before
    tape.start_ms += bot.bar_ms
    assert orders(bot.signal(tape)) == []
    assert '"crosses":1' not in handle.saved.state_json
    assert '"crosses":2' not in handle.saved.state_json


# -- 4 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "boundary_ms",
    [
        pytest.param(TUESDAY + DAY_MS, id="month"),
        pytest.param(TUESDAY + 6 * DAY_MS, id="monday"),
    ],
)
@pytest.mark.parametrize("bars", [-1, 0, 1])
def test_periods_end_without_a_missed_close(bot: Bot, boundary_ms: int, bars: int) -> None:
    """A signal at the last close before a period's end, at the one that ends it, at the next: in
    each case entered there, with anchors that are those of the close at 00:00."""
    close_ms = boundary_ms + bars * bot.bar_ms
    tape = bot.begin((BTC,), close_ms - 2 * bot.bar_ms, fills=False)
    tape.desk.equity = D(9_900)
    decision = bot.signal(tape)
    assert decision is not None
    assert decision.row.event_ms == close_ms
    assert orders(decision) == entered(bot, BTC)
    anchor = 9_900 if bars == 0 else 10_000
    assert f'"day_equity":"{anchor}"' in decision.row.state_json


# -- 5 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("create_type", "reason"),
    [("CreateByStopLoss", "stop_loss"), ("CreateByTrailingStop", "trailing_stop")],
)
def test_a_stop_of_the_exchange_ends_the_trade_at_once(
    bot: Bot, create_type: str, reason: str
) -> None:
    """Its row has no id of ours: the reason comes from the exchange, price and fee are its own."""
    tape = bot.begin((ETH,), TUESDAY)
    decision = bot.signal(tape)
    assert decision is not None
    link_id = decision.planned[0].order_link_id
    stop = execution(
        "e2", bot.exit, "2", "95", fee=D("0.1045"), create_type=create_type, order_type="Market"
    )
    book, change = booked(bot, [own(bot, link_id, "e1", bot.entry, "2", "100"), stop])
    entry, exit_ = change.fills
    assert (entry.bot_id, entry.effect, entry.reason) == (bot.bot_id, "entry", bot.reason)
    assert (exit_.bot_id, exit_.effect, exit_.reason) == (bot.bot_id, "exit", reason)
    assert (exit_.price, exit_.fee, exit_.position_after) == (D(95), D("0.1045"), D(0))
    assert book.position(bot.bot_id).signed_qty == 0
    (trip,) = change.round_trips
    assert trip.exit_reason == reason
    assert trip.net_pnl == bot.sign * D(-10) - D("0.11") - D("0.1045")
    # The bot is flat from then on: it asks for no exit.
    held = tape.desk.positions[ETH]
    tape.desk.fill(ETH, -held.signed_qty, D(95), tape.now + 60_000, reason, "stop")
    assert tape.desk.positions == {}
    assert orders(any_close(tape, 60.0)) == []


# -- 6 ----------------------------------------------------------------------------------------


def test_a_partial_entry_is_managed_at_its_own_size(bot: Bot) -> None:
    tape = bot.begin((BTC,), TUESDAY, fills=False)
    desk = tape.desk
    decision = bot.signal(tape)
    assert decision is not None
    (planned,) = decision.planned
    intent = planned.intent
    assert isinstance(intent, Enter) and intent.stops is not None
    desk.fill(BTC, bot.sign * D("0.7"), intent.price, tape.now, bot.reason, planned.order_link_id)
    against = D(120) if bot.sign < 0 else D(80)
    leaving = any_close(tape, float(against))
    assert [kind for kind, _, _ in orders(leaving)] == ["exit"]
    assert leaving is not None
    exit_ = leaving.planned[0].intent
    assert isinstance(exit_, Exit)
    assert exit_.qty is None  # all that is held, whatever it is
    # A part of it is closed; the rest is asked for again.
    link_id = leaving.planned[0].order_link_id
    desk.fill(BTC, -bot.sign * D("0.3"), against, tape.now, exit_.reason, link_id)
    assert desk.positions[BTC].signed_qty == bot.sign * D("0.4")
    assert [kind for kind, _, _ in orders(any_close(tape, float(against)))] == ["exit"]


def any_close(tape: Tape, price: float) -> Decision | None:
    """One that a position against it leaves at; LXAlgo's after its 8 hours."""
    if isinstance(tape, lxalgo_tape.Tape):
        opened_ms = tape.desk.positions[BTC].opened_ms if tape.desk.positions else None
        tape.until((opened_ms or 0) + 8 * HOUR_MS - 300_000, price)
    if isinstance(tape, shortseller_tape.Tape | lxalgo_tape.Tape):
        return tape.close(price)
    return tape.close(dict.fromkeys(tape.symbols, (price, 1.0)))


# -- 7 ----------------------------------------------------------------------------------------


def test_orders_of_one_millisecond_have_ids_of_their_own(bot: Bot) -> None:
    tape = bot.begin((BTC, ETH, SOL), TUESDAY)
    decision = bot.signal(tape)
    assert decision is not None
    ids = [planned.order_link_id for planned in decision.planned]
    assert len(set(ids)) == 3
    for place, text in enumerate(ids):
        assert len(text) <= 36
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")
        found = parse(text)
        assert found is not None
        assert (found.bot_id, found.reason) == (bot.bot_id, bot.reason)
        assert found.unix_ms == decision.row.event_ms + place


# -- 8 ----------------------------------------------------------------------------------------


def test_funding_is_cash_and_no_fill(bot: Bot) -> None:
    link_id = link(bot)
    entry = own(bot, link_id, "e1", bot.entry, "2", "100")
    book, before = booked(bot, [entry])
    position = book.position(bot.bot_id)
    rules = AttributionRules(ACCOUNT, frozenset({bot.bot_id}))
    change = book.add([replace(funding("e2", "0.5"), side=bot.entry)], rules)
    assert change.fills == ()
    assert book.position(bot.bot_id) == position
    (payment,) = change.funding
    assert (payment.bot_id, payment.amount) == (bot.bot_id, D("-0.5"))
    assert len(before.fills) == 1


def link(bot: Bot) -> str:
    decision = bot.signal(bot.begin((ETH,), TUESDAY))
    assert decision is not None
    return decision.planned[0].order_link_id


# -- 9 ----------------------------------------------------------------------------------------


def test_profit_class_and_matching_are_those_of_the_side(bot: Bot) -> None:
    """Two entries, at 100 and at 98; 3 of them are closed at 95 and then 1 at 97. First in, first
    out: 2 from 100 and 1 from 98 to 95, 1 from 98 to 97."""
    link_id = link(bot)
    first = own(bot, link_id, "e1", bot.entry, "2", "100")
    second = own(bot, link_id, "e2", bot.entry, "2", "98")
    stop: Mapping[str, object] = {"create_type": "CreateByTakeProfit"}
    third = execution("e3", bot.exit, "3", "95", **stop)
    fourth = execution("e4", bot.exit, "1", "97", **stop)
    book, change = booked(bot, [first, second, third, fourth])
    assert [fill.effect for fill in change.fills] == ["entry", "entry", "exit", "exit"]
    assert BUILTIN.is_entry(bot.reason)
    assert [fill.position_after for fill in change.fills] == [
        bot.sign * D(size) for size in (2, 4, 1, 0)
    ]
    side = "long" if bot.sign > 0 else "short"
    assert [(one.side, one.qty, one.gross_pnl) for one in change.round_trips] == [
        (side, D(2), bot.sign * D(-10)),
        (side, D(1), bot.sign * D(-3)),
        (side, D(1), bot.sign * D(-1)),
    ]
    assert book.position(bot.bot_id).signed_qty == 0


# -- small cases of sizes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("qty", "price", "expected"),
    [("1.7", "50", "1.5"), ("0.3", "50", None), ("150", "50", None), ("0.8", "5", None)],
)
def test_quantities_fit_the_filters(qty: str, price: str, expected: str | None) -> None:
    """Least 1, step 0.5, most 100, at least 10 USDT."""
    odd = replace(
        instrument("ODDUSDT", "0.1", "0.5"),
        min_qty=D(1),
        max_qty=D(100),
        max_market_qty=D(100),
        min_notional=D(10),
    )
    found = odd.size_order(D(qty) * D(price), D(price))
    if expected is None:
        assert isinstance(found, SizeRejected)
    else:
        assert found == D(expected)
