"""What the ledger would not take: kept until it does, each thing as it is by then."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from alpha.core.records import Commit, DecisionRow, OrderRow, Override, SignalRow


class Refused:
    """Of one account. Changes of books are not among it: those are read again."""

    def __init__(self) -> None:
        self._orders: dict[str, None] = {}
        self._decisions: dict[tuple[str, int], DecisionRow] = {}
        self._overrides: list[Override] = []
        self._signals: list[SignalRow] = []

    def keep(self, commit: Commit) -> None:
        self._orders.update(dict.fromkeys(row.client_order_id for row in commit.orders))
        self._overrides += commit.overrides
        self._signals += commit.signals
        for row in commit.decisions:
            self._keep_decision(row)

    def _keep_decision(self, row: DecisionRow) -> None:
        """The newest state of each bot, and every decision with intents, is stored later."""
        for (bot_id, ordinal), known in list(self._decisions.items()):
            if bot_id == row.bot_id and known.intents_json == "[]":
                del self._decisions[(bot_id, ordinal)]
        self._decisions[(row.bot_id, row.ordinal)] = row

    def take(self, account: str, newest: Callable[[str], OrderRow | None]) -> Iterator[Commit]:
        """All of it, anew; `newest` gives an order as it is now. What is refused again meanwhile
        is kept again."""
        orders = [newest(link_id) for link_id in self._orders]
        decisions, overrides = tuple(self._decisions.values()), tuple(self._overrides)
        signals = self._signals
        self._orders, self._decisions, self._overrides, self._signals = {}, {}, [], []
        for row in decisions:
            own = (one for one in signals if (one.bot_id, one.ordinal) == (row.bot_id, row.ordinal))
            yield Commit(account, decisions=(row,), signals=tuple(own))
        if overrides:
            yield Commit(account, overrides=overrides)
        for order in orders:
            if order is not None:
                yield Commit(account, orders=(order,))
