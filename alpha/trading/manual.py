"""Trades by hand, or by a program that is not ours, on an account that bots trade.

Each is an alert. What it means for a bot is that bot's policy, `[bots.NAME] manual_trades`:

* `ignore`: nothing. What a person opens is `manual`'s, beside the bot's own position; what closes
  a position was the bot's all the same, because the exchange has closed it.
* `adopt`: where the bot alone owns the symbol and holds a position in it, the trade is made the
  bot's by an override, as `fills assign` would do it: its position follows.
* `pause`: the bot takes no entries until somebody starts it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from alpha.alerts import Alerts
from alpha.clock import Clock
from alpha.core.book import Book
from alpha.core.events import Execution
from alpha.core.ids import parse
from alpha.core.reasons import from_exchange
from alpha.core.records import MANUAL, AttributionRules, BookChange, Override
from alpha.ledger.registry import MANUAL_TRADE

ManualPolicy = Literal["ignore", "adopt", "pause"]


class ManualTrades:
    """Of one account. `bots` maps its bots to their symbols, `policies` those that do not ignore.
    `pause` stops a bot's entries; it is set by whoever has the bots."""

    def __init__(
        self,
        account: str,
        clock: Clock,
        bots: Mapping[str, frozenset[str]],
        alerts: Alerts,
        policies: Mapping[str, ManualPolicy] | None = None,
    ) -> None:
        self._account = account
        self._clock = clock
        self._bots = bots
        self._alerts = alerts
        self._policies = dict(policies or {})
        self._told = ""  # the order of which something was told last: its rest is no news
        self.pause: Callable[[str, str], None] = lambda bot_id, why: None

    def adoption(self, row: Execution, book: Book, rules: AttributionRules) -> Override | None:
        """The override by which a bot makes a trade its own that would else be `manual`."""
        bot_id = self._owner(row.symbol, rules)
        if bot_id is None or self._policies.get(bot_id) != "adopt":
            return None
        if row.exec_id in rules.overrides or not is_by_hand(row, rules):
            return None
        owners = book.owners_now(row, rules)
        if not book.position(bot_id).signed_qty or MANUAL not in owners:
            return None
        if len(owners) > 1 and book.position(MANUAL).signed_qty:
            return None  # it closes `manual`'s own as well, which is no business of the bot
        return Override(
            account=self._account,
            symbol=row.symbol,
            exec_id=row.exec_id,
            bot_id=bot_id,
            operator=bot_id,
            source="policy",
            note="manual_trades = adopt",
            decided_ms=self._clock.now_ms(),
        )

    def _owner(self, symbol: str, rules: AttributionRules) -> str | None:
        """The one bot that owns the symbol: by configuration, or as the only one to trade it."""
        traders = self._traders(symbol)
        return rules.owners.get(symbol) or (traders[0] if len(traders) == 1 else None)

    def _traders(self, symbol: str) -> list[str]:
        return sorted(bot_id for bot_id, symbols in self._bots.items() if symbol in symbols)

    def seen(self, change: BookChange, rules: AttributionRules) -> None:
        """Tells of the trades by hand among newly folded executions, once per order, and pauses
        the bots that want it so."""
        for row in change.executions:
            if row.order_id == self._told or not is_by_hand(row, rules):
                continue
            self._told = row.order_id
            owners = sorted({fill.bot_id for fill in change.fills if fill.exec_id == row.exec_id})
            self._alerts.tell(
                "manual_trade",
                f"expected trades of bots only, was {row.side} {row.qty} {row.symbol} by hand or "
                f"by another program, booked for {', '.join(owners)}; where a bot meant it: "
                f"`alpha fills assign {row.exec_id} BOT`",
                account=self._account,
                bot_id=owners[0] if len(owners) == 1 else None,
                symbol=row.symbol,
                side=row.side,
                qty=str(row.qty),
                exec_id=row.exec_id,
                owners=", ".join(owners),
            )
            for bot_id in self._traders(row.symbol):
                if self._policies.get(bot_id) == "pause":
                    self.pause(bot_id, MANUAL_TRADE)


def is_by_hand(row: Execution, rules: AttributionRules) -> bool:
    """A trade of a person or of a foreign program: neither an id, nor an order row, nor the
    exchange's own word says otherwise. Closing in the exchange's app is by hand too."""
    word = from_exchange(row.exec_type, row.create_type, row.stop_order_type)
    if row.exec_type != "Trade" or not (word is None or row.create_type == "CreateByClosing"):
        return False
    own = parse(row.order_link_id, rules.reasons) if row.order_link_id else None
    is_ours = own is not None and own.bot_id in rules.bots
    return not is_ours and row.order_id not in rules.orders
