"""The bots of this run: found, checked and opened; and what the database knows of their past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from alpha import resources
from alpha.alerts import Alerts
from alpha.bots.discovery import Catalog
from alpha.bots.host import BotHandle
from alpha.bots.mark import HookMark, mark_of
from alpha.bots.opening import open_bot
from alpha.clock import Clock
from alpha.config import Config
from alpha.core.reasons import BUILTIN, ReasonBook
from alpha.errors import BotFault, ConfigError
from alpha.ledger import registry
from alpha.ledger.pool import Connection, Pool
from alpha.ledger.reader import LedgerReader
from alpha.trading.session import BotSession, LastFill, Past


@dataclass(frozen=True, slots=True)
class Crew:
    """Handles of the enabled bots by name; `reasons` are the built-in ones with the plugins'."""

    handles: Mapping[str, BotHandle]
    reasons: ReasonBook
    #: The plugins' effective settings, by the bots' names.
    settings: Mapping[str, Mapping[str, object]]


def open_crew(config: Config, clock: Clock, environ: Mapping[str, str], alerts: Alerts) -> Crew:
    """Every enabled bot, `disabled` until it is started. ConfigError or NotFound when a plugin
    or its settings are wrong: nothing has been touched by then."""
    book = BUILTIN
    folders = [resources.plugins_folder()]
    if config.plugins_dir is not None:
        folders.append(config.plugins_dir)
    catalog = Catalog(folders, environ)
    plugins = {name: catalog.get(bot.plugin) for name, bot in config.enabled_bots.items()}
    for plugin in plugins.values():
        book = plugin.reason_book(book)
    mark = HookMark(mark_of(config.data_dir), clock)
    handles: dict[str, BotHandle] = {}
    for name, plugin in plugins.items():
        bot = config.bots[name]
        try:
            handles[name] = open_bot(
                plugin,
                name=name,
                bot_id=bot.bot_id,
                account=bot.account,
                settings=bot.settings,
                book=book,
                mark=mark,
                alerts=alerts,
            )
        except BotFault as error:
            raise ConfigError(f"bot {name} could not be made: {error}") from None
    settings = {
        name: plugin.effective(config.bots[name].settings, bot=name)
        for name, plugin in plugins.items()
    }
    return Crew(handles, book, settings)


async def past_of(reader: LedgerReader, bot_id: str, account: str) -> Past:
    """What the whole ledger holds of a bot."""
    row = await reader.bot_totals(account, bot_id)
    newest = await reader.fills(1, bot_id)
    last: LastFill | None = None
    if newest:
        fill = newest[-1]
        last = LastFill(
            exec_time=_whole(fill["exec_time"]),
            symbol=str(fill["symbol"]),
            side=str(fill["side"]),
            qty=_money(fill["exec_qty"]),
            price=_money(fill["exec_price"]),
            reason=str(fill["close_reason"]),
        )
    return Past(
        fills=_whole(row["fills"]),
        orders=_whole(row["orders"]),
        realised=_money(row["realised_pnl"]),
        cash_flow=await reader.cash_flow(account, bot_id),
        last_fill=last,
    )


async def report_crew(
    pool: Pool | Connection, sessions: Mapping[str, BotSession], *, stopped: bool = False
) -> None:
    """Heartbeats, equity and states of all bots, into the registry."""
    by_account: dict[str, list[BotSession]] = {}
    for session in sessions.values():
        by_account.setdefault(session.account.name, []).append(session)
    for account, crew in by_account.items():
        await registry.heartbeat(
            pool,
            account,
            [session.bot_id for session in crew],
            decided_ms={s.bot_id: s.decided_wall_ms for s in crew if s.decided_wall_ms},
            equity={session.bot_id: session.money()[1] for session in crew},
        )
        for session in crew:
            handle = session.handle
            state, why = registry.kept_status(
                handle.state.value, handle.state_reason, handle.stopped
            )
            if stopped and why not in registry.LASTING_PAUSES:
                state, why = "disabled", registry.DAEMON_STOP
            await registry.set_status(pool, session.bot_id, account, state, why)


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _money(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(0)
