"""Microseconds that the fold takes per fill: appended in order, and a late row deep in a book.

`python bench/fold.py` prints one JSON object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from statistics import median, quantiles
from time import perf_counter_ns

from alpha.core.book import Book
from alpha.core.events import Execution
from alpha.core.ids import wire_id
from alpha.core.records import AttributionRules
from alpha.core.steps import QtySteps

STEP = Decimal("0.001")
START_MS = 1_760_000_000_000
BOTS = ("alpha", "beta", "gamma")

#: (signed steps, bot) of one round: entries, a scale-in, partial exits, a flip, flat at the end.
_ROUND = ((40, 0), (-25, 1), (15, 0), (-20, 0), (40, 1), (-35, 0), (-15, 1), (10, 2), (-10, 2))


def history(fills: int) -> list[Execution]:
    rows = []
    for number in range(fills):
        steps, bot = _ROUND[number % len(_ROUND)]
        price = Decimal(60_000 + number % 977) / 10
        qty = abs(steps) * STEP
        rows.append(
            Execution(
                account="main",
                symbol="BTCUSDT",
                exec_id=f"{number:08d}-e365-5031-b5f0-5d60da7ebaf6",
                order_id=f"{number:08d}-3b63-4c52-8f31-60cf5bb82f5e",
                order_link_id=wire_id(BOTS[bot], "entry", START_MS + number),
                side="Buy" if steps > 0 else "Sell",
                exec_type="Trade",
                price=price,
                qty=qty,
                value=price * qty,
                fee=(price * qty * Decimal("0.00055")).quantize(Decimal("1E-8")),
                fee_currency="USDT",
                fee_rate=Decimal("0.00055"),
                leaves_qty=Decimal(0),
                closed_size=None,
                is_maker=False,
                create_type="CreateByUser",
                order_type="Market",
                stop_order_type="",
                exec_time=START_MS + number * 1_000,
                seq=number,
            )
        )
    return rows


def appended(rows: Sequence[Execution], rules: AttributionRules) -> list[float]:
    """Microseconds of each row that is added on its own, in ledger order."""
    book = Book("main", "BTCUSDT", qty_steps=QtySteps.always(STEP))
    taken = []
    for row in rows:
        began = perf_counter_ns()
        book.add((row,), rules)
        taken.append((perf_counter_ns() - began) / 1_000)
    return taken


def late(rows: Sequence[Execution], rules: AttributionRules, back: int) -> float:
    """Milliseconds to fold a row that belongs `back` rows before the end of the book."""
    times = []
    for number in range(20):
        book = Book("main", "BTCUSDT", qty_steps=QtySteps.always(STEP))
        missing = len(rows) - back + number
        book.add([row for i, row in enumerate(rows) if i != missing], rules)
        began = perf_counter_ns()
        book.add((replace(rows[missing], source="rest"),), rules)
        times.append((perf_counter_ns() - began) / 1e6)
    return median(times)


def main() -> None:
    rows = history(20_000)
    rules = AttributionRules("main", frozenset(BOTS))
    taken = appended(rows, rules)
    cuts = quantiles(taken, n=100)
    tail = quantiles(taken[-2_000:], n=100)
    print(
        json.dumps(
            {
                "benchmark": "fold",
                "fills": len(rows),
                "us_per_fill": {
                    "p50": round(median(taken), 1),
                    "p99": round(cuts[98], 1),
                    "p50_of_last_2000": round(tail[49], 1),
                },
                "ms_per_late_row_100_back": round(late(rows[:5_000], rules, 100), 2),
            }
        )
    )


if __name__ == "__main__":
    main()
