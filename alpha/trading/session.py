"""One bot at work on one account: builds its snapshots, hands it events, carries out what it
decides. Live events come as they happen; after a restart the events behind the bot's saved
cursor are delivered first, in order, each with the picture as of that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import structlog

from alpha.bots.cursor import SavedBot, Shown, shown
from alpha.bots.host import BotHandle
from alpha.bots.states import BotState
from alpha.clock import Clock
from alpha.core.decisions import Decision
from alpha.core.events import Bar
from alpha.core.ids import parse
from alpha.core.instruments import Instrument
from alpha.core.intents import Exit
from alpha.core.past import PastPositions
from alpha.core.records import BotPosition, Correction, Fill, OrderRow, Tally
from alpha.core.refusals import Refusal
from alpha.core.snapshot import Snapshot
from alpha.trading.account import Account
from alpha.trading.gateway import Gateway
from alpha.trading.witness import Witness

log = structlog.get_logger(__name__)

ZERO = Decimal(0)
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class LastFill:
    """The newest fill of a bot, for people."""

    exec_time: int
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Past:
    """What the ledger held of a bot as this process started. `realised` is net of fees and
    funding of finished round trips; `cash_flow` is everything that has moved its cash."""

    fills: int = 0
    orders: int = 0
    realised: Decimal = ZERO
    cash_flow: Decimal = ZERO
    last_fill: LastFill | None = None


class BotSession:
    """`capital` is set for a bot that shares its account: its equity is its own then."""

    def __init__(
        self,
        handle: BotHandle,
        account: Account,
        gateway: Gateway,
        *,
        instruments: Mapping[str, Instrument],
        last_close: Callable[[str], Decimal | None],
        capital: Decimal | None,
        past: Past,
        clock: Clock,
        changed: Callable[[str], None],
        witness: Witness | None = None,
    ) -> None:
        self.handle = handle
        self.account = account
        self.bot_id = handle.bot_id
        self.fills = past.fills
        self.orders = past.orders
        self.last_fill = past.last_fill
        self.realised = past.realised
        self.decided_wall_ms: int | None = None
        self._gateway = gateway
        self._instruments = instruments
        self._last_close = last_close
        self._capital = capital
        self._cash_flow = past.cash_flow
        self._clock = clock
        self._changed = changed
        self._witness = witness
        self._now_ms = 0
        self._minute = 0
        #: Before this, what the account tells is left to `replay`, which finds it in the books.
        self._caught_up = False
        #: While events are replayed: the newest fill of each symbol that the bot has been shown.
        self._shown: dict[str, Shown] = {}
        #: What the books say of that moment, by symbol.
        self._past: dict[str, PastPositions] = {}
        self._ended: dict[str, OrderRow] = {}  # exits that may have to be followed by another
        account.listen(handle.bot_id, self)

    def restore(self, saved: SavedBot | None) -> None:
        """Takes the saved state and asks the bot to run; `replay` brings it to the present."""
        self.handle.restore(saved)
        self.handle.start()

    def joins(self) -> None:
        """Its past is loaded, history and `replay` come next."""
        if self._witness is not None:
            self._witness.joined(self.handle, self.account.positions(self.bot_id))

    # -- the account tells --------------------------------------------------------------------

    def told_fill(self, fill: Fill, received_ns: int) -> None:
        self.last_fill = LastFill(
            fill.exec_time, fill.symbol, fill.side, fill.qty, fill.price, fill.reason
        )
        if self._caught_up:
            self._tell_witness([fill])
            self._hand_fill(fill, received_ns, replayed=False)
        self._close_what_is_left(fill)
        self._changed(self.bot_id)

    def told_tally(self, tally: Tally) -> None:
        """What fills, funding and round trips have added to the bot's sums, or a correction has
        taken back."""
        self.fills += tally.fills
        self.realised += tally.realised
        self._cash_flow += tally.cash

    def told_correction(self, correction: Correction) -> None:
        if self._caught_up:
            book = self.account.books[correction.after.symbol]
            fills = book.fills_of(self.bot_id)
            decision = self.handle.correction(
                correction, self.snapshot(self._now_ms), fills[-1] if fills else None
            )
            self._carry_out(decision, None)
        self._changed(self.bot_id)

    def told_order(self, row: OrderRow) -> None:
        if self._witness is not None:
            self._witness.ordered(self.handle, row)
        self.ended_early(row)
        if self._caught_up:
            snapshot = self.snapshot(max(self._now_ms, row.decided_ms))
            self._carry_out(self.handle.order(row, snapshot), None)
        self._changed(self.bot_id)

    def ended_early(self, row: OrderRow) -> None:
        """Perhaps: what an exit has left is closed, once missed events have been replayed."""
        if self._caught_up:
            self._gateway.close_rest(row, self)
        elif row.purpose == "exit":
            self._ended[row.client_order_id] = row

    # -- the market tells ---------------------------------------------------------------------

    def bar(self, bar: Bar) -> None:
        if self._witness is not None:
            self._witness.shown(self.handle, bar)
        self.handle.bar(bar)

    def close(
        self,
        interval_ms: int,
        close_ms: int,
        bars: Mapping[str, Bar],
        received_ns: int | None,
        *,
        stale: bool = False,
    ) -> None:
        """`stale`: a newer bar exists already, so no entry follows from this close."""
        self._decide(interval_ms, close_ms, bars, received_ns, replayed=stale)
        if self.handle.wants_timer:
            self._tick(close_ms // MINUTE_MS)
        self._changed(self.bot_id)

    def _decide(
        self,
        interval_ms: int,
        close_ms: int,
        bars: Mapping[str, Bar],
        received_ns: int | None,
        *,
        replayed: bool,
    ) -> None:
        snapshot, witness = self.snapshot(close_ms), self._witness
        if witness is not None:
            witness.closing(self.handle, interval_ms, close_ms, bars, snapshot, replayed=replayed)
        decision = self.handle.close(interval_ms, close_ms, bars, snapshot, replayed=replayed)
        self._carry_out(decision, received_ns)

    def _tick(self, minute: int) -> None:
        """The bot's timer: once at each full minute of event time."""
        if minute > self._minute:
            self._minute = minute
            snapshot = self.snapshot(minute * MINUTE_MS)
            self._carry_out(self.handle.timer(minute * MINUTE_MS, snapshot), None)

    # -- after a restart ----------------------------------------------------------------------

    def replay(self, closes: Sequence[tuple[int, int, Mapping[str, Bar]]]) -> None:
        """Delivers what happened behind the saved cursor, in the order of event time, a fill
        before a close: `closes` as (interval, close_ms, bars), and the bot's own fills. Each
        with the picture as of that moment. From then on events are handed on as they come.
        First it is told where the past itself has become another one."""
        self._shown = dict(self.handle.cursor.fills)
        self._past.clear()
        self._correct_the_past()
        pending = self._fills_not_shown()
        books = self.account.books.values()
        self._tell_witness(
            fill for book in books for fill in book.fills_of(self.bot_id) if fill not in pending
        )
        for interval_ms, close_ms, bars in closes:
            while pending and pending[0].exec_time <= close_ms:
                self._replay_fill(pending.pop(0))
            if self._witness is not None:
                for bar in bars.values():
                    self._witness.shown(self.handle, bar)
            self._decide(interval_ms, close_ms, bars, None, replayed=True)
        for fill in pending:
            self._replay_fill(fill)
        self._caught_up = True
        self._past.clear()
        for row in self._ended.values():
            self._gateway.close_rest(self.account.tracker.get(row.client_order_id) or row, self)
        self._ended.clear()
        log.info("bot_caught_up", bot=self.handle.name, closes=len(closes))

    def _correct_the_past(self) -> None:
        """Positions that the bot was told otherwise: a late row, or an execution given to another
        bot, that came while nobody could tell it."""
        cursor = self.handle.cursor
        known_ms = max((one.exec_time for one in cursor.fills.values()), default=0)
        known_ms = max(known_ms, *cursor.closes.values(), 0)
        for symbol in cursor.fills:
            before, after = cursor.position(symbol), self._shown_position(symbol)
            if before != after:
                correction = Correction(self.bot_id, before, after)
                log.warning("told_otherwise", bot=self.handle.name, symbol=symbol)
                decision = self.handle.correction(correction, self.snapshot(known_ms))
                self._carry_out(decision, None)

    def _fills_not_shown(self) -> list[Fill]:
        """The bot's fills that it has not been told: in ledger order per symbol, by time."""
        found: list[Fill] = []
        for symbol, book in self.account.books.items():
            fills = book.fills_of(self.bot_id)
            last = self._shown.get(symbol)
            if last is None:
                found += fills
                continue
            known = next((i for i, fill in enumerate(fills) if shown(fill) == last), None)
            if known is None:
                found += [fill for fill in fills if fill.exec_time > last.exec_time]
            else:
                found += fills[known + 1 :]
        return sorted(found, key=lambda fill: fill.exec_time)

    def fall_behind(self) -> None:
        """The bot begins anew from its last good state; `replay` brings it to the present."""
        self._caught_up = False

    def started(self, now_ms: int) -> None:
        """Everything missed has been delivered."""
        self._carry_out(self.handle.started(now_ms, self.snapshot(now_ms)), None)
        self._changed(self.bot_id)

    def _tell_witness(self, fills: Iterable[Fill]) -> None:
        if self._witness is not None:
            for fill in fills:
                self._witness.filled(self.handle, fill)

    def _replay_fill(self, fill: Fill) -> None:
        self._tell_witness([fill])
        self._shown[fill.symbol] = shown(fill)
        self._hand_fill(fill, 0, replayed=True)

    # -- inside -------------------------------------------------------------------------------

    def _hand_fill(self, fill: Fill, received_ns: int, *, replayed: bool) -> None:
        snapshot = self.snapshot(fill.exec_time)
        decision = self.handle.fill(fill, snapshot, replayed=replayed)
        self._carry_out(decision, received_ns or None)

    def _close_what_is_left(self, fill: Fill) -> None:
        """The last execution of an exit that ended early may come after the order's last row."""
        row = self.account.tracker.get(fill.order_link_id)
        if row is not None:
            self.ended_early(row)

    def _carry_out(self, decision: Decision | None, received_ns: int | None) -> None:
        if decision is not None:
            if self._witness is not None:
                self._witness.decided(self.handle, decision)
            self.decided_wall_ms = self._clock.now_ms()
            self.orders += self._gateway.carry_out(decision, self, received_ns)

    def snapshot(self, event_ms: int) -> Snapshot:
        """The bot's picture as of an event; `now` never goes back."""
        self._now_ms = max(self._now_ms, event_ms)
        positions = self._positions()
        open_pnl = self.open_pnl(positions)
        wallet = self.wallet
        return Snapshot(
            now_ms=self._now_ms,
            positions=positions,
            pending_entries=self.account.tracker.pending_symbols(self.bot_id, "entry"),
            pending_exits=self.account.tracker.pending_symbols(self.bot_id, "exit"),
            wallet=wallet,
            equity=wallet + open_pnl + self._lots_beyond(positions),
            instruments=self._instruments,
            size_multiplier=self._gateway.size_multiplier(self.bot_id),
        )

    def _positions(self) -> dict[str, BotPosition]:
        if self._caught_up:
            return self.account.positions(self.bot_id)
        found = {symbol: self._shown_position(symbol) for symbol in self._shown}
        return {symbol: position for symbol, position in found.items() if position.signed_qty}

    def _shown_position(self, symbol: str) -> BotPosition:
        """As the books have it now, with the newest fill that the bot was shown."""
        last, past = self._shown[symbol], self._past.get(symbol)
        if past is None:
            book = self.account.books.get(symbol)
            if book is None:
                return BotPosition.flat(symbol)
            past = self._past[symbol] = PastPositions(book, self.account.rules)
        return past.at(self.bot_id, last.exec_time, last.exec_id)

    def open_pnl(self, positions: Mapping[str, BotPosition]) -> Decimal:
        """Unrealised PnL at the latest closes, without exit fees."""
        total = ZERO
        for symbol, position in positions.items():
            price = self._last_close(symbol)
            if price is not None and position.avg_price is not None:
                total += (price - position.avg_price) * position.signed_qty
        return total

    def exposures(self) -> dict[str, Decimal]:
        """What its positions are worth at the latest closes, by symbol: USDT, < 0 for a short. Of
        one without a close the entry price counts."""
        found = {}
        for symbol, position in self._positions().items():
            price = self._last_close(symbol) or position.avg_price or ZERO
            found[symbol] = price * position.signed_qty
        return found

    def close_of(self, symbol: str) -> Decimal | None:
        """The newest close of a symbol that a bot subscribes to."""
        return self._last_close(symbol)

    def last_close(self, interval_ms: int, symbol: str | None) -> int | None:
        """The close behind which this bot goes on; None for one that starts afresh. A bot
        without any saved decision may still have sent orders before a crash: it goes on with the
        close that they came from."""
        seen = self.handle.cursor.last_close(interval_ms, symbol)
        if seen is not None or self.handle.ordinal:
            return seen
        sent = [
            own.unix_ms
            for book in self.account.books.values()
            for fill in book.fills_of(self.bot_id)
            if (own := parse(fill.order_link_id)) is not None
        ]
        return min(sent) - interval_ms if sent else None

    @property
    def caught_up(self) -> bool:
        """Everything missed has been replayed; events are handed on as they come."""
        return self._caught_up

    @property
    def now_ms(self) -> int:
        """Event time: the newest event that the bot has been shown."""
        return self._now_ms

    def money(self) -> tuple[Decimal, Decimal]:
        """The bot's wallet and equity, in USDT."""
        wallet, positions = self.wallet, self._positions()
        return wallet, wallet + self.open_pnl(positions) + self._lots_beyond(positions)

    def _lots_beyond(self, positions: Mapping[str, BotPosition]) -> Decimal:
        """What is open of the bot's lots beyond what is open at average prices. Capital of its own
        gains what lots have won, first in first out; a wallet what the exchange has booked."""
        if self._capital is None or not self._caught_up:
            return ZERO
        return sum(
            (
                position.signed_qty * (position.avg_price or ZERO)
                - self.account.books[symbol].cost(self.bot_id)
                for symbol, position in positions.items()
            ),
            ZERO,
        )

    @property
    def owns_wallet(self) -> bool:
        """It is alone on its account, whose wallet is its own."""
        return self._capital is None

    @property
    def wallet(self) -> Decimal:
        """Realised cash in USDT: the bot's own share, or all of its account."""
        if self._capital is not None:
            return self._capital + self._cash_flow
        return self.account.balance.usdt

    # -- the gateway asks ---------------------------------------------------------------------

    def entry_refusal(self) -> str | None:
        if self.handle.state is BotState.RUNNING:
            return None
        state = self.handle.state
        return Refusal("bot_state", f"bot {self.handle.name} is {state}, expected running")

    def plan_exit(self, intent: Exit, event_key: str, event_ms: int) -> Decision | None:
        decision = self.handle.plan([intent], event_key, max(event_ms, self._now_ms))
        if decision is not None and self._witness is not None:
            self._witness.decided(self.handle, decision)
        return decision
