"""Pictures of everything that a daemon runs, at one moment."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from alpha.bots.states import BotState
from alpha.clock import utc
from alpha.ledger.recording import PortfolioRow
from alpha.live import Live
from alpha.recording.holdings import open_pnl, open_values
from alpha.trading.session import BotSession

ZERO = Decimal(0)


def picture(live: Live, installation: str, now_ms: int) -> PortfolioRow | None:
    """None before the wallets of live accounts are known."""
    told = [
        service.account.balance.told
        for service in live.services.values()
        if service.account.balance.told is not None
    ]
    unknown = (s for s in live.services.values() if s.account.live and not s.account.balance.told)
    if not told or any(unknown):
        return None
    sessions = list(live.sessions.values())
    held = {session.bot_id: session.exposures() for session in sessions}
    values = [value for one in live.services.values() for value, _ in open_values(one)]
    wallets = sum((service.account.balance.usdt for service in live.services.values()), ZERO)
    money = {session.bot_id: session.money() for session in sessions}
    used = [one.equity - one.available for one in told if one.available is not None]
    return PortfolioRow(
        at_ms=now_ms,
        installation=installation,
        equity=wallets + sum((open_pnl(one) for one in live.services.values()), ZERO),
        wallet=wallets,
        realised=sum((session.realised for session in sessions), ZERO),
        margin_used=max(sum(used, ZERO), ZERO) if len(used) == len(told) else None,
        gross=sum((abs(value) for value in values), ZERO),
        net=sum(values, ZERO),
        active_bots=sum(session.handle.state is BotState.RUNNING for session in sessions),
        bots_in_trade=sum(bool(one) for one in held.values()),
        open_positions=len(values),
        bots={
            session.bot_id: _bot(session, money[session.bot_id], held[session.bot_id])
            for session in sessions
        },
    )


def _bot(
    session: BotSession, money: tuple[Decimal, Decimal], held: dict[str, Decimal]
) -> dict[str, str | int]:
    wallet, equity = money
    return {
        "account": session.account.name,
        "state": session.handle.state.value,
        "equity": f"{equity:f}",
        "wallet": f"{wallet:f}",
        "unrealized_pnl": f"{equity - wallet:f}",
        "realized_pnl": f"{session.realised:f}",
        "exposure": f"{sum((abs(value) for value in held.values()), ZERO):f}",
        "positions": len(held),
        "fills": session.fills,
        "orders": session.orders,
    }


def periods(now_ms: int) -> tuple[int, int, int]:
    """The beginning of the day, of the week (Monday) and of the month (UTC), in ms."""
    day = utc(now_ms).replace(hour=0, minute=0, second=0, microsecond=0)
    week, month = day - timedelta(days=day.weekday()), day.replace(day=1)
    return _ms(day.timestamp()), _ms(week.timestamp()), _ms(month.timestamp())


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
