"""Portfolio limits as lines of plain text."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from alpha.control.desk import RiskAnswer, Row
from alpha.control.text import cell, grid, held_back, risk_scope
from alpha.core.risk import Kind, shown

_COLUMNS = ("scope", "limit", "value", "of", "used", "action", "state", "since", "why")


def limits(rows: Sequence[Row], source: str) -> str:
    """A line for each limit and each halt. The database knows those only that are in force."""
    if not rows and source == "database":
        return "no limit is broken, no halt; what is used of each is told by a running daemon"
    if not rows:
        return "no portfolio limits, no halt"
    return grid(_COLUMNS, [_line(row) for row in rows])


def _line(row: Row) -> list[str]:
    used = row["share_used"]
    return [
        risk_scope(row),
        str(row["limit"]),
        _amount(row, "value"),
        _amount(row, "limit_value"),
        "-" if used is None else f"{Decimal(str(used)) * 100:.0f} %",
        str(row["action"]),
        str(row["state"]),
        cell(row["since"]),
        cell(row["why"]),
    ]


def _amount(row: Row, column: str) -> str:
    value, limit = row[column], str(row["limit"])
    if value is None or limit not in set(Kind):
        return "-"
    return shown(Kind(limit), Decimal(str(value)))


def ordered(answer: RiskAnswer) -> str:
    verb, where = answer["verb"], answer["scope"]
    if verb == "halt":
        lines = [f"halted: {where}; no new entries, exits and stops go on"]
    elif verb == "flatten":
        count = answer["positions"]
        lines = [
            f"flattening: {where}; {count} position{'' if count == 1 else 's'} to close, no new "
            "entries until `alpha resume`"
        ]
    else:
        over = [f"{one['limit']} of {one['scope']}" for one in answer["changed"]]
        word = "resumed" if verb == "resume" else "reset"
        lines = [f"{word}: {', '.join(over) or 'nothing was in force'}"]
        lines += [f"still in force: {held_back(row)}" for row in answer["in_force"]]
    if not answer["kept"]:
        lines.append("not in the database yet, which does not answer; it holds all the same")
    return "\n".join(lines)
