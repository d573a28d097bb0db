"""Executions that wait for the order row that says whose they are.

On an account with several bots an execution without an id of ours may belong to any of them. Its
order row often comes a moment later on the stream, or is there for the asking by order id; until
then, and for two seconds of wall time at most, the execution is held back. So is what follows it
in the ledger order of its symbol, and nothing else. Afterwards it is folded with what is known;
knowledge that comes later folds it again.

Rows that wait are in memory only. A crash loses nothing: `seen` stays behind the oldest of them,
and a sweep begins at `verified`, which no row that waits can lie before.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from alpha.bybit.rest import Rest
from alpha.clock import Clock
from alpha.core.events import Execution, OrderEvent
from alpha.errors import AlphaError

log = structlog.get_logger(__name__)

WAIT_S = 2.0
#: The stream has this long before REST is asked.
ASK_AFTER_S = 0.2
#: Questions under way at a time.
MOST_QUESTIONS = 5
_TURN_S = 0.05


@dataclass(frozen=True, slots=True)
class Waiting:
    """`until` is monotonic; None for a row that only waits for those before it. A `late` row is
    folded before others that memory already has: nothing has to wait for it."""

    row: Execution
    received_ns: int | None
    since: float
    until: float | None
    late: bool


@dataclass(slots=True)
class WaitingRows:
    """The rows of one account that wait, per symbol in ledger order."""

    queues: dict[str, list[Waiting]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.queues)

    @property
    def symbols(self) -> frozenset[str]:
        return frozenset(self.queues)

    def put(self, entry: Waiting) -> None:
        queue = self.queues.setdefault(entry.row.symbol, [])
        insort(queue, entry, key=lambda one: one.row.ledger_key)

    def stands_before(self, row: Execution) -> bool:
        """Something waits that comes before `row` in its symbol's ledger order."""
        return any(
            not one.late and one.row.ledger_key < row.ledger_key
            for one in self.queues.get(row.symbol, ())
        )

    def take(self, symbol: str, is_settled: Callable[[Waiting], bool]) -> list[Waiting]:
        """Removes and returns what needs to wait no longer, in ledger order."""
        ready: list[Waiting] = []
        left: list[Waiting] = []
        for entry in self.queues.get(symbol, []):
            settled = entry.until is None or is_settled(entry)
            behind = not entry.late and any(not one.late for one in left)
            (ready if settled and not behind else left).append(entry)
        if left:
            self.queues[symbol] = left
        else:
            self.queues.pop(symbol, None)
        return ready

    def rows(self) -> list[Waiting]:
        return [entry for queue in self.queues.values() for entry in queue]

    def oldest_ms(self) -> int | None:
        """Time of the oldest row that waits."""
        return min((entry.row.exec_time for entry in self.rows()), default=None)


class Holder(Protocol):
    """What the search asks of an account."""

    waiting: WaitingRows
    #: Told that rows have begun to wait.
    seek: Callable[[], None] | None

    def receive_order(self, event: OrderEvent) -> object: ...

    def fold_waiting(self, keys: Collection[tuple[str, str]] | None = None) -> None: ...

    def fold_settled(self) -> None: ...


class OrderSearch:
    """Asks the exchange for the orders that rows wait for, and folds the rows whose time is up.

    `spawn` runs a question beside the search: an exchange that is slow must not make a row wait
    longer."""

    def __init__(
        self,
        account: Holder,
        rest: Rest,
        *,
        clock: Clock,
        spawn: Callable[[Coroutine[object, object, None], str], object],
    ) -> None:
        self._account = account
        self._rest = rest
        self._clock = clock
        self._spawn = spawn
        self._asked: set[str] = set()
        self._open = 0
        self._wanted = asyncio.Event()
        account.seek = self._wanted.set

    async def run(self) -> None:
        """Until cancelled; what still waits then is folded with what is known."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                while self._account.waiting:
                    self._ask(self._account.waiting.rows())
                    await self._clock.sleep(_TURN_S)
                    self._account.fold_settled()
                self._asked.clear()
        finally:
            self._account.fold_waiting()

    def _ask(self, rows: Iterable[Waiting]) -> None:
        now = self._clock.monotonic()
        for entry in rows:
            row = entry.row
            if (
                entry.until is None
                or now - entry.since < ASK_AFTER_S
                or row.order_id in self._asked
                or self._open >= MOST_QUESTIONS
            ):
                continue
            self._asked.add(row.order_id)
            self._open += 1
            self._spawn(self._look_up(row.symbol, row.order_id), f"order-of:{row.order_id}")

    async def _look_up(self, symbol: str, order_id: str) -> None:
        try:
            event = await self._rest.order(symbol, order_id=order_id)
        except AlphaError as error:
            log.warning("order_of_execution_not_asked", order_id=order_id, error=str(error))
            return
        finally:
            self._open -= 1
        if event is not None:
            self._account.receive_order(event)
