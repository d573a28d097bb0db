"""Answers as lines of plain text that fit a terminal and a telephone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Context, Decimal, InvalidOperation
from typing import Literal

from alpha.control.desk import DaemonStatus, PositionStatus, Reconciled, Row, Status
from alpha.control.wire import plain
from alpha.core.performance import LEAST_DAYS_OF_RISK

Table = Literal["bots", "positions", "orders", "fills"]

#: The columns of each table for people; the JSON rows hold more.
COLUMNS: Mapping[Table, tuple[str, ...]] = {
    "bots": ("name", "bot_id", "account", "enabled", "state", "state_reason"),
    "positions": (
        "bot",
        "symbol",
        "side",
        "size",
        "avg_price",
        "unrealised_pnl",
        "stop_loss",
        "trailing_stop",
    ),
    "orders": ("decided_at", "bot_id", "symbol", "side", "purpose", "reason", "qty", "state"),
    "fills": (
        "exec_time",
        "bot_id",
        "symbol",
        "side",
        "exec_qty",
        "exec_price",
        "commission",
        "close_reason",
        "exec_id",
    ),
}


_NUMBER = re.compile(r"^-?\d+\.\d+$")
_EIGHT_DIGITS = Context(prec=8)


def table(kind: Table, rows: Sequence[Row]) -> str:
    if not rows:
        return f"no {kind}"
    columns = COLUMNS[kind]
    return grid(columns, [[_column(column, row) for column in columns] for row in rows])


def _column(column: str, row: Row) -> str:
    value = row.get(column)
    return money(value) if column.endswith("_pnl") else cell(value)


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two spaces between, no space at the ends of lines."""
    lines = [list(columns), *[list(row) for row in rows]]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal) or (isinstance(value, str) and _NUMBER.match(value)):
        return plain(_short(Decimal(value)))
    return str(value)


def _short(number: Decimal) -> Decimal:
    """Averages have no end; people need eight digits of them. JSON keeps them all."""
    return _EIGHT_DIGITS.plus(number) if number.as_tuple().digits[8:] else number


def money(value: object, *, signed: bool = True) -> str:
    """USDT with two decimals; "-" where it is not known."""
    try:
        amount = Decimal(str(value)).quantize(Decimal("0.01"))
    except InvalidOperation:
        return "-"
    return f"{amount:+,.2f}" if signed and amount else f"{amount:,.2f}"


def footer(source: str, age_s: float | None) -> str:
    """Stale data are never printed as live ones."""
    if source == "daemon":
        return ""
    return f"\n(no daemon runs; from the database, {age(age_s)})"


def age(age_s: float | None) -> str:
    if age_s is None:
        return "nothing written yet"
    if age_s < 120:
        return f"{age_s:.0f} s old"
    if age_s < 7200:
        return f"{age_s / 60:.0f} min old"
    return f"{age_s / 3600:.0f} h old"


def status(status: Status) -> str:
    lines = [
        f"mode {status['mode']} · postgres {status['postgres']} · redis {status['redis']}"
        f" · data {age(status['data_age_s'])}"
    ]
    lines += [
        f"degraded: {one['part']} since {one['since']} · {one['why']}" for one in status["degraded"]
    ]
    lines += [held_back(row) for row in status["risk"]]
    for name, account in status["accounts"].items():
        degraded = f" · {', '.join(account['degraded'])}" if account["degraded"] else ""
        lines.append(
            f"account {name}: {account['status']}{degraded}"
            f" · wallet {money(account['wallet'], signed=False)}"
            f" · equity {money(account['equity'], signed=False)}"
        )
    for name, bot in status["bots"].items():
        reason = f" ({bot['state_reason']})" if bot["state_reason"] else ""
        lines.append(
            f"{name}: {bot['state']}{reason} · realised {money(bot['realised_pnl'])}"
            f" · open {money(bot['unrealised_pnl'])} · fills {bot['fills']}"
        )
        for position in bot["positions"]:
            lines.append(
                f"  {position['symbol']} {position['side']} {cell(position['size'])}"
                f" @ {cell(position['avg_price'])} · {money(position['unrealised_pnl'])}"
                f" · {stops(position)}"
            )
    lines += [_daemon(one) for one in status["daemons"]]
    return "\n".join(lines) + footer(status["source"], status["data_age_s"])


def risk_scope(row: Row) -> str:
    """Whose limit it is."""
    if row["scope"] == "overall":
        return "all"
    return f"{row['scope']}:{row['bot'] if row['scope'] == 'bot' else row['account']}"


def held_back(row: Row) -> str:
    """One line of the status."""
    state = f"{row['state']} since {row['since']}"
    return f"risk {risk_scope(row)}: {state} · {row['limit']}: {row['why']}"


def stops(position: PositionStatus) -> str:
    """What protects it: the level of its stop loss, the distance of its trailing stop."""
    shown = [f"stop {cell(position['stop_loss'])}"] if position["stop_loss"] else []
    if position["trailing_stop"]:
        shown.append(f"trailing by {cell(position['trailing_stop'])}")
    return " · ".join(shown) or "stop -"


def _daemon(daemon: DaemonStatus) -> str:
    accounts = ", ".join(daemon["accounts"])
    if daemon["role"] == "active":
        return f"daemon {daemon['holder']}: active · accounts {accounts}"
    return f"daemon {daemon['holder']}: standby for {accounts} · seen {daemon.get('seen', '-')}"


def differences(rows: Sequence[Row]) -> str:
    if not rows:
        return "the ledger and the exchange agree"
    columns = ("account", "kind", "symbol", "subject", "ledger", "exchange", "note")
    return grid(columns, [[str(row[column]) or "-" for column in columns] for row in rows])


def applied(accounts: Sequence[Reconciled]) -> str:
    lines = []
    for one in accounts:
        lines.append(
            f"account {one['account']}: {len(one['found'])} differences, "
            f"{one['brought']} executions brought, "
            f"adjusted {', '.join(one['adjusted']) or 'nothing'}, "
            f"cancelled {', '.join(one['cancelled']) or 'nothing'}"
        )
        lines.append(differences(one["left"]))
    return "\n".join(lines) or "no account is open yet"


def analytics(rows: Sequence[Row], days: int) -> str:
    lines = [f"last {days} day{'s' if days > 1 else ''}"]
    for row in rows:
        rate = row.get("win_rate")
        won = f"{Decimal(str(rate)) * 100:.0f} %" if rate is not None else "-"
        lines.append(
            f"{row['bot']}: {row['trades']} trades · net {money(row['net_pnl'])}"
            f" · won {won} · fees {money(row['fees'], signed=False)}"
            f" · funding {money(row['funding'])}"
        )
        lines += _worth(row)
        lines += _imported(row.get("imported"))
    if len(lines) == 1:
        lines.append("no bots")
    return "\n".join(lines)


def _imported(row: object) -> list[str]:
    """History from before the ledger, whatever the days: it is in no figure above it."""
    if not isinstance(row, Mapping):
        return []
    guessed = f", {row['estimated']} of them estimated" if row["estimated"] else ""
    return [
        f"  imported, beside the above: {row['trades']} trades{guessed} · net "
        f"{money(row['net_pnl'])} · {str(row['first'])[:10]} to {str(row['last'])[:10]}"
    ]


def _worth(row: Row) -> list[str]:
    """A bot's ratios as far as there are any, with what they are of, and what is open."""
    basis, words = row["basis"], []
    if row.get("profit_factor") is not None:
        words.append(f"profit factor {Decimal(str(row['profit_factor'])):.2f}")
    if row.get("sharpe") is not None:
        few = int(str(row["ratio_days"])) < LEAST_DAYS_OF_RISK
        of = f" (of {row['ratio_days']} days)" if few else ""
        words.append(f"{basis} Sharpe {Decimal(str(row['sharpe'])):.2f}{of}")
    if row.get("max_drawdown"):
        words.append(f"{basis} drawdown {Decimal(str(row['max_drawdown'])) * 100:.1f} %")
    if row.get("exposure"):
        words.append(f"exposure {Decimal(str(row['exposure'])) * 100:.1f} %")
    if row.get("open_positions"):
        worth = row["open_pnl"]
        words.append(f"open {'-' if worth is None else money(worth)}")
    return [f"  {' · '.join(words)}"] if words else []


def syncs(rows: Sequence[Row]) -> str:
    """The trade sync of each account: its runs, what they have found, how both sides compare."""
    lines = []
    for row in rows:
        seconds = row["success_age_s"]
        last = "none yet" if seconds is None else age(float(str(seconds)))
        lines.append(f"account {row['account']}: newest success {last}")
        lines += [f"  {line}" for line in _sync_lines(row)]
    return "\n".join(lines) or "no account is known yet"


def _sync_lines(row: Row) -> Iterator[str]:
    runs, totals, audit = row["runs"], row["control_totals"], row["audit"]
    for run in runs if isinstance(runs, list) else ():
        yield (
            f"{run['kind']} {run['status']}: {run['from']} to {run['to']} · window "
            f"{run['windows_done']} of {run['windows']} · {run['executions_seen']} executions, "
            f"{run['executions_new']} new, {run['executions_left']} left out · "
            f"{run['closings_seen']} closings"
        )
        yield from (f"  {words}" for words in (run["error"], *run["notes"]) if words)
    if isinstance(totals, dict):
        yield (
            f"control totals: {totals['cycles']} cycles, {totals['differing']} differ · ledger "
            f"{money(totals['ledger_pnl'])}, exchange {money(totals['exchange_pnl'])}"
        )
    if isinstance(audit, dict):
        yield (
            f"wallet at {audit['until']}: ledger {cell(audit['ledger_balance'])}, exchange "
            f"{cell(audit['wallet_balance'])}, difference {cell(audit['difference'])}"
        )
        if audit["first_difference"]:
            yield f"  first: {audit['first_difference']}"
