"""Whatever the stream has brought, however windows and pages cut the history, wherever a run is cut
off: the ledger ends as that of the whole."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from alpha.bybit.http import HttpAnswer
from alpha.bybit.limiter import Limiter
from alpha.bybit.rest import Rest
from alpha.bybit.signing import Credentials
from alpha.clock import ManualClock
from alpha.core.book import is_known
from alpha.core.canonical import ledger_hash
from alpha.core.events import ADJUSTMENT, Execution
from alpha.core.records import AttributionRules, OrderTag
from alpha.errors import NeedsOperator
from alpha.ledger.syncs import ClosedRow, Endpoint, Kind, Run, SymbolSums, SyncStore, Watermark
from alpha.ledger.wallet_audits import AuditStore
from alpha.sync import account as syncing
from alpha.sync.account import AccountSync
from alpha.trading.catchup import CatchUp
from tests.core import oracle
from tests.core.examples import thorough
from tests.core.histories import (
    ACCOUNT,
    BOTS,
    STEP,
    SYMBOL,
    T0,
    Model,
    by,
    histories,
    knowledge,
    rules,
)
from tests.trading.life import NOWHERE
from tests.trading.test_arrival import Written, account_of

DAY_MS = 86_400_000


class Queue:
    """A writer that is always done."""

    def __init__(self) -> None:
        self.degraded_since: float | None = None
        self.away = False
        self.commits = 0
        self.poisoned: dict[str, NeedsOperator] = {}

    async def drain(self, within_s: float, account: str | None = None) -> bool:
        return True

    def heal(self, account: str) -> None:
        raise AssertionError("expected nothing to be refused")


class Reader:
    """What the catch-up asks of the database, out of the tables in memory."""

    def __init__(self, model: Model, tags: Mapping[str, OrderTag]) -> None:
        self._model = model
        self._tags = tags

    async def missing_exec_ids(
        self, account: str, keys: Collection[tuple[str, str]]
    ) -> set[tuple[str, str]]:
        return {key for key in keys if key[1] not in self._model.executions}

    async def last_flat_ms(
        self, account: str, symbol: str, before_ms: int | None = None
    ) -> int | None:
        times = [row.exec_time for row in self._model.executions.values()]
        at = max(times, default=0) if before_ms is None else before_ms
        while covering := [
            cycle.opened_at
            for cycle in self._model.cycles.values()
            if cycle.opened_at <= at and (cycle.closed_at is None or cycle.closed_at > at)
        ]:
            at = min(covering) - 1
        return max((one for one in times if one <= at), default=None)

    async def executions_since(
        self, account: str, symbol: str, after_ms: int | None
    ) -> list[Execution]:
        rows = [r for r in self._model.executions.values() if r.exec_time > (after_ms or 0)]
        return sorted(rows, key=lambda row: row.ledger_key)

    async def count_since(self, account: str, symbol: str, after_ms: int | None) -> int:
        return len(await self.executions_since(account, symbol, after_ms))

    async def order_tags(self, account: str, symbol: str | None = None) -> Mapping[str, OrderTag]:
        return self._tags


class Shelf(SyncStore):
    """The sync's own tables in memory; nothing was ever closed."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._aside: dict[str, Execution] = {}
        self._marks: dict[str, Watermark] = {}

    async def begin(
        self, account: str, kind: Kind, start_ms: int, end_ms: int, windows: int
    ) -> Run:
        return Run(1, account, kind, start_ms, end_ms, windows)

    async def update(self, run: Run) -> None: ...

    async def end_interrupted(self, account: str) -> None: ...

    async def watermark(self, account: str, endpoint: Endpoint) -> Watermark | None:
        return self._marks.get(endpoint)

    async def advance(
        self, account: str, endpoint: Endpoint, high_ms: int, cursor: str = ""
    ) -> None:
        self._marks[endpoint] = Watermark(high_ms, cursor)

    async def forget_watermark(self, account: str, endpoint: Endpoint) -> None:
        self._marks.pop(endpoint, None)

    async def put_aside(
        self, account: str, rows: Collection[Execution], high_ms: int, cursor: str
    ) -> None:
        self._aside.update((row.exec_id, row) for row in rows)
        await self.advance(account, "backfill", high_ms, cursor)

    async def aside_symbols(self, account: str) -> dict[str, int]:
        return {SYMBOL: len(self._aside)} if self._aside else {}

    async def aside(self, account: str, symbol: str) -> list[Execution]:
        rows = [r for r in self._aside.values() if r.exec_id not in self._model.executions]
        return sorted(rows, key=lambda row: row.ledger_key)

    async def clear_aside(self, account: str, symbol: str | None = None) -> None:
        self._aside.clear()

    async def symbol_sums(self, account: str, symbol: str) -> SymbolSums:
        rows = self._model.executions.values()
        net = sum((row.signed_qty for row in rows if is_known(row)), STEP * 0)
        return SymbolSums(net, STEP * 0, min((row.exec_time for row in rows), default=None))

    async def put_closings(self, account: str, rows: Sequence[ClosedRow]) -> None: ...

    async def closed_symbols(self, account: str, since_ms: int) -> list[str]:
        return []

    async def unknown_closings(self, account: str, since_ms: int) -> list[tuple[str, str]]:
        return []


class NoAudits(AuditStore):
    def __init__(self) -> None: ...


class Exchange:
    """Shows `rows`, so many to a page as `pages` says, and calls `asked` before each answer."""

    def __init__(self, rows: Sequence[Execution], pages: Sequence[int]) -> None:
        self.rows = sorted(rows, key=lambda row: row.ledger_key, reverse=True)
        self.now_ms = self.rows[0].exec_time + 60_000
        self._pages = list(pages)
        self.requests = 0
        #: The request that is refused, if it is ever made.
        self.refused: int | None = None

    def asked(self) -> None: ...

    async def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpAnswer:
        self.requests += 1
        self.asked()
        parts = urlsplit(url)
        if self.requests == self.refused:
            return _answer({}, 10001)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/v5/market/time":
            return _answer({"timeNano": f"{self.now_ms}000000"})
        if parts.path == "/v5/execution/list":
            return self._executions(query)
        if parts.path == "/v5/position/list":
            size = sum((row.signed_qty for row in self.rows if is_known(row)), STEP * 0)
            shown = {
                "symbol": SYMBOL,
                "side": "Buy" if size > 0 else "Sell",
                "size": str(abs(size)),
            }
            return _answer({"list": [{**shown, "positionIdx": 0, "seq": 1, "updatedTime": "1"}]})
        return _answer({"list": [], "nextPageCursor": ""})

    def _executions(self, query: Mapping[str, str]) -> HttpAnswer:
        first, last = int(query["startTime"]), int(query["endTime"])
        assert last - first <= 7 * DAY_MS
        found = [row for row in self.rows if first <= row.exec_time <= last]
        begin = int(query.get("cursor", "p%3A0").rpartition(":")[2].rpartition("%3A")[2])
        size = self._pages[self.requests % len(self._pages)]
        page = found[begin : begin + size]
        cursor = f"p%3A{begin + size}" if page else ""
        return _answer({"list": [_wire(row) for row in page], "nextPageCursor": cursor})


def _answer(result: object, code: int = 0) -> HttpAnswer:
    body = {"retCode": code, "retMsg": "", "result": result, "retExtInfo": {}, "time": 0}
    return HttpAnswer(200, {}, msgspec.json.encode(body))


def _wire(row: Execution) -> dict[str, object]:
    return {
        "symbol": row.symbol,
        "execId": row.exec_id,
        "orderId": row.order_id,
        "orderLinkId": row.order_link_id,
        "side": row.side,
        "execType": row.exec_type,
        "execPrice": str(row.price),
        "execQty": str(row.qty),
        "execValue": str(row.value),
        "execFee": f"{row.fee:f}",
        "feeCurrency": row.fee_currency,
        "feeRate": "" if row.fee_rate is None else str(row.fee_rate),
        "leavesQty": str(row.leaves_qty),
        "closedSize": "" if row.closed_size is None else str(row.closed_size),
        "isMaker": row.is_maker,
        "createType": row.create_type,
        "orderType": row.order_type,
        "stopOrderType": row.stop_order_type,
        "execTime": str(row.exec_time),
        "seq": row.seq,
    }


@dataclass(frozen=True)
class Split:
    """`scale` stretches the time between executions, `since` is the first moment that the daemon
    has lived to see, `lost` of what it should have heard it has not, `late` comes while it syncs,
    `last` happens after that; the request `refused` is refused."""

    scale: int
    since: int
    lost: frozenset[int]
    late: frozenset[int]
    last: frozenset[int]
    pages: tuple[int, ...]
    refused: int | None
    #: Of the hourly sync; None: a backfill. The hourly one looks seven days back.
    portion: int | None = None


SPLITS = st.builds(
    Split,
    scale=st.sampled_from((1, 40_000, 90_000, 200_000)),  # up to 29 days
    since=st.integers(0, 14),
    lost=st.frozensets(st.integers(0, 24), max_size=5),
    late=st.frozensets(st.integers(0, 24), max_size=5),
    last=st.frozensets(st.integers(0, 8), max_size=2),
    pages=st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple),
    refused=st.one_of(st.none(), st.integers(2, 40)),
    portion=st.one_of(st.none(), st.integers(1, 5)),
)


@st.composite
def round_trips(draw: st.DrawFn) -> list[Execution]:
    """One after the other, each of one bot, so that everybody is flat at every second row."""
    rows = []
    for number in range(draw(st.integers(1, 7))):
        bot = draw(st.sampled_from(BOTS))
        rows.append(by(bot, f"e{2 * number}", "Buy", "0.02"))
        rows.append(by(bot, f"e{2 * number + 1}", "Sell", "0.02"))
    return rows


def trips_of(bot: str, count: int) -> list[Execution]:
    return [
        by(bot, f"e{number}", "Sell" if number % 2 else "Buy", "0.02")
        for number in range(2 * count)
    ]


@thorough
# History that ends flat, and then an execution that belongs before everything heard so far.
@example(
    rows=trips_of(BOTS[0], 4),
    known=rules(),
    split=Split(1, 4, frozenset(), frozenset(), frozenset({0}), (3,), None),
)
@given(rows=st.one_of(histories(), round_trips()), known=knowledge(), split=SPLITS)
def test_any_split_ends_in_the_same_ledger(
    rows: list[Execution], known: AttributionRules, split: Split
) -> None:
    rows = [
        replace(row, exec_time=T0 + (row.exec_time - T0) * split.scale)
        for row in rows
        if row.exec_type != ADJUSTMENT
    ]
    if rows:
        asyncio.run(_ends_in_the_same_ledger(rows, known, split))


async def _ends_in_the_same_ledger(
    rows: list[Execution], known: AttributionRules, split: Split
) -> None:
    clock, ledger = ManualClock(T0), Written()
    tags = {o: replace(tag, reason=tag.reason or "entry") for o, tag in known.orders.items()}
    account = account_of(replace(known, orders={}), ledger, clock)
    account.seek = None
    account.tracker.tags.update(tags)
    heard = [row for row in rows if row.exec_time >= T0 + split.since * 1_000 * split.scale]
    last = [row for number, row in enumerate(heard) if number in split.last]
    happened = [row for row in rows if row not in last]
    if not happened:
        return
    exchange = Exchange(happened, split.pages)
    late = [row for number, row in enumerate(heard) if number in split.late - split.last]
    exchange.refused = split.refused
    unheard = split.lost | split.late | split.last
    account.receive([row for number, row in enumerate(heard) if number not in unheard])

    def deliver() -> None:
        if late and exchange.requests % 2:
            account.receive([late.pop()])

    exchange.asked = deliver  # type: ignore[method-assign]
    credentials = Credentials("key", "secret")
    rest = Rest(
        NOWHERE,
        credentials,
        account=ACCOUNT,
        clock=clock,
        limiter=Limiter(clock),
        transport=exchange,
    )
    reader = Reader(ledger.model, tags)
    catch_up = CatchUp(account, reader, Queue())
    sync = AccountSync(
        account, rest, catch_up, reader, Shelf(ledger.model), NoAudits(), clock,
        waits_until_live=False,
    )  # fmt: skip
    hourly = split.portion is not None and split.scale == 1
    for _ in range(4):
        with patch.object(syncing, "PORTION", split.portion):
            run = await (sync.sync("hourly") if hourly else sync.backfill(1))
        if run.status == "completed":
            break
        assert "10001" in run.error
    assert (run.status, run.left) == ("completed", 0)
    while late:
        deliver()
        exchange.requests += 1
    for row in last:
        account.receive([row])
    if account.late:
        await catch_up.bring([])
    stored = [replace(row, source="stream") for row in ledger.model.executions.values()]
    assert ledger_hash(stored) == ledger_hash(rows)
    ledger.model.agrees_with(oracle.fold(rows, replace(known, orders=tags), STEP))
