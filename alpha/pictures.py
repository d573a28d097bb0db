"""The live picture: what the daemon knows now, for the status answer, the table and Redis."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from alpha.bots.host import BotHandle
from alpha.clock import Clock, iso
from alpha.config import Config
from alpha.control.desk import (
    AccountStatus,
    BotStatus,
    DaemonStatus,
    Degraded,
    FillSummary,
    PositionStatus,
    Row,
    Status,
)
from alpha.core.events import PositionEvent
from alpha.core.orders import OrderState
from alpha.core.records import BotPosition
from alpha.market.data import MarketData
from alpha.state.picture import (
    BotPicture,
    CandlePicture,
    MarketPicture,
    OrderPicture,
    PositionPicture,
)
from alpha.trading.account import Account
from alpha.trading.own_stops import ACCEPTED, TAKE_PROFIT
from alpha.trading.service import AccountService
from alpha.trading.session import BotSession, LastFill

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Health:
    """How the stores are. Each text is "ok" or says what is wrong."""

    postgres: str
    redis: str
    degraded: tuple[str, ...]
    parts: tuple[Degraded, ...]


@dataclass(frozen=True, slots=True)
class Stops:
    """The stops of one bot's position on the exchange. Where several bots may trade the symbol
    they are orders of the bot's own; the stop loss is then where the position is stopped now,
    trailing or not. Else they are the position's, and `trailing_stop` is a distance."""

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_stop: Decimal | None = None


def stops_of(account: Account, bot_id: str, symbol: str) -> Stops:
    own = {
        row.reason == TAKE_PROFIT: row.trigger_price
        for row in account.tracker.working(bot_id)
        if row.symbol == symbol
        and account.tracker.is_own_stop(row)
        and OrderState(row.state) in ACCEPTED
    }
    if own:
        return Stops(stop_loss=own.get(False), take_profit=own.get(True))
    shown = account.exchange.get(symbol)
    if shown is None:
        return Stops()
    return Stops(shown.stop_loss, shown.take_profit, shown.trailing_stop)


def position_status(
    position: BotPosition, open_pnl: Decimal | None, stops: Stops
) -> PositionStatus:
    """One open position; stops as the exchange shows them."""
    return {
        "symbol": position.symbol,
        "side": "long" if position.signed_qty > 0 else "short",
        "size": abs(position.signed_qty),
        "avg_price": position.avg_price,
        "unrealised_pnl": open_pnl,
        "stop_loss": stops.stop_loss,
        "take_profit": stops.take_profit,
        "trailing_stop": stops.trailing_stop,
    }


def fill_summary(fill: LastFill | None) -> FillSummary | None:
    if fill is None:
        return None
    return {
        "exec_time": iso(fill.exec_time),
        "symbol": fill.symbol,
        "side": fill.side,
        "exec_qty": fill.qty,
        "exec_price": fill.price,
        "reason": fill.reason,
    }


def bot_status(session: BotSession) -> BotStatus:
    account = session.account
    held = account.positions(session.bot_id)
    rows = [
        position_status(
            position,
            session.open_pnl({symbol: position}),
            stops_of(account, session.bot_id, symbol),
        )
        for symbol, position in sorted(held.items())
    ]
    return {
        "bot_id": session.bot_id,
        "account": account.name,
        "state": session.handle.state.value,
        "state_reason": session.handle.state_reason,
        "positions": rows,
        "realised_pnl": session.realised,
        "unrealised_pnl": session.open_pnl(held) if held else ZERO,
        "orders": session.orders,
        "fills": session.fills,
        "last_fill": fill_summary(session.last_fill),
    }


def account_status(service: AccountService, degraded: tuple[str, ...]) -> AccountStatus:
    account = service.account
    wallet = account.balance.told
    troubles = [f"{symbol}: {why}" for symbol, why in sorted(account.blocked.items())]
    if service.reconciler.last:
        count = len(service.reconciler.last)
        troubles.append(f"{count} differences to the exchange at the newest reconciliation")
    if service.sync_trouble:
        troubles.append(service.sync_trouble)
    return {
        "status": account.status.value,
        "since_ms": account.since_ms,
        "gaps": account.gaps,
        "backfilled": account.backfilled,
        "malformed_frames": service.odd_frames.malformed.total(),
        "unknown_frames": service.odd_frames.unknown.total(),
        "wallet": wallet.wallet if wallet else None,
        "equity": wallet.equity if wallet else None,
        "degraded": [*degraded, *troubles],
    }


def degraded_accounts(services: Mapping[str, AccountService]) -> list[Degraded]:
    """Accounts that are not live, and the exchange when it answers none of them."""
    found: list[Degraded] = []
    unanswered = [service.recovery.unanswered for service in services.values()]
    known = [one for one in unanswered if one is not None]
    if known and len(known) == len(unanswered):
        since_ms, why = min(known)
        found.append({"part": "exchange", "since": iso(since_ms), "why": why})
    for name, service in services.items():
        account = service.account
        if not account.live:
            why = account.why or f"it is {account.status.value}"
            found.append({"part": f"account:{name}", "since": iso(account.since_ms), "why": why})
    return found


def idle_bots(
    config: Config,
    handles: Mapping[str, BotHandle],
    open_sessions: Collection[str],
    services: Mapping[str, AccountService],
) -> dict[str, BotStatus]:
    """Configured bots without a session: this run does not host them (their positions stay
    watched), or the daemon is still starting."""
    idle: dict[str, BotStatus] = {}
    for name, bot in config.bots.items():
        if name in open_sessions:
            continue
        handle, service = handles.get(name), services.get(bot.account)
        account = service.account if service is not None else None
        held = sorted(account.positions(bot.bot_id).items()) if account is not None else []
        idle[name] = {
            "bot_id": bot.bot_id,
            "account": bot.account,
            "state": handle.state.value if handle is not None else "disabled",
            "state_reason": "the daemon starts" if handle is not None else "not part of this run",
            "positions": [
                position_status(position, None, stops_of(account, bot.bot_id, symbol))
                for symbol, position in held
                if account is not None
            ],
            "realised_pnl": ZERO,
            "unrealised_pnl": None if held else ZERO,
            "orders": 0,
            "fills": 0,
            "last_fill": None,
        }
    return idle


def status(
    services: Mapping[str, AccountService],
    sessions: Mapping[str, BotSession],
    idle_bots: Mapping[str, BotStatus],
    health: Health,
    *,
    mode: str,
    clock: Clock,
    started: float,
    data_age_s: float | None,
    pid: int,
    daemons: list[DaemonStatus],
    risk: list[Row],
    backup_age_s: float | None,
) -> Status:
    """`sessions` by the bots' names in the settings; `idle_bots` are those not run."""
    return {
        "source": "daemon",
        "mode": mode,
        "data_age_s": data_age_s,
        "uptime_s": clock.monotonic() - started,
        "pid": pid,
        "postgres": health.postgres,
        "redis": health.redis,
        "degraded": [*health.parts, *degraded_accounts(services)],
        "accounts": {
            name: account_status(service, health.degraded) for name, service in services.items()
        },
        "bots": {
            **{name: bot_status(session) for name, session in sessions.items()},
            **idle_bots,
        },
        "daemons": daemons,
        "risk": risk,
        "backup_age_s": backup_age_s,
    }


# -- for Redis ------------------------------------------------------------------------------------


def bot_picture(
    session: BotSession, *, redis_db: int, mode: str, commit_no: int | None
) -> BotPicture:
    account = session.account
    held = account.positions(session.bot_id)
    wallet, equity = session.money()
    return BotPicture(
        bot_id=session.bot_id,
        redis_db=redis_db,
        state=session.handle.state.value,
        state_reason=session.handle.state_reason,
        mode=mode,
        positions={
            symbol: _position_picture(session, position, account.exchange.get(symbol))
            for symbol, position in held.items()
        },
        orders=tuple(
            OrderPicture(
                order_id=row.client_order_id,
                symbol=row.symbol,
                side=row.side,
                purpose=row.purpose,
                reason=row.reason,
                qty=row.qty,
                filled_qty=account.tracker.executed_qty(row.client_order_id),
                state=row.state,
                trigger_price=row.trigger_price,
            )
            for row in account.tracker.working(session.bot_id)
        ),
        wallet=wallet,
        equity=equity,
        unrealised_pnl=equity - wallet,
        commit_no=commit_no,
        available=account.balance.told.available if account.balance.told else None,
    )


def _position_picture(
    session: BotSession, position: BotPosition, shown: PositionEvent | None
) -> PositionPicture:
    stops = stops_of(session.account, session.bot_id, position.symbol)
    return PositionPicture(
        signed_size=position.signed_qty,
        avg_price=position.avg_price,
        unrealised_pnl=session.open_pnl({position.symbol: position}),
        mark_price=shown.mark_price if shown else None,
        stop_loss=stops.stop_loss,
        take_profit=stops.take_profit,
        trailing_stop=stops.trailing_stop,
        opened_at=iso(position.opened_ms) if position.opened_ms is not None else None,
        last_update=iso(session.now_ms),
        seq=shown.seq if shown else None,
    )


def market_picture(market: MarketData) -> MarketPicture:
    newest = max((bar.close_ms for bar in market.newest.values()), default=0)
    prices = {bar.symbol: market.last_price(bar.symbol) for bar in market.newest.values()}
    return MarketPicture(
        candles=tuple(
            CandlePicture(
                symbol=bar.symbol,
                interval_ms=bar.interval_ms,
                start_ms=bar.start_ms,
                open=bar.open,
                high=bar.high,
                low=bar.low,
                close=bar.close,
                volume=bar.volume,
            )
            for bar in market.newest.values()
        ),
        prices={symbol: price for symbol, price in prices.items() if price is not None},
        at_ms=newest,
    )
