"""How the trade sync stands, account by account, as it is stored."""

from __future__ import annotations

import json

import asyncpg

from alpha.clock import iso
from alpha.errors import NotFound
from alpha.ledger.pool import Pool
from alpha.ledger.queries import load
from alpha.ledger.stored import trimmed

Row = dict[str, object]


async def sync_rows(pool: Pool, account: str | None, now_ms: int) -> list[Row]:
    """One row per account that the database knows: `last_success`, `success_age_s` (wall time),
    `running`, `watermarks`, the newest `runs` of each kind, `control_totals`, `audit`. Raises
    NotFound for an unknown account."""
    sql = load("syncs.sql")
    names = [row["account"] for row in await pool.fetch(load("reads.sql")["accounts"])]
    if account is not None and account not in names:
        raise NotFound(
            f"expected one of the accounts {', '.join(names) or 'none yet'}, was {account!r}"
        )

    async def by_account(name: str) -> dict[str, list[asyncpg.Record]]:
        found: dict[str, list[asyncpg.Record]] = {}
        for row in await pool.fetch(sql[name], account):
            found.setdefault(row["account"], []).append(row)
        return found

    runs, marks = await by_account("runs"), await by_account("watermarks")
    sums, differing = await by_account("total_sums"), await by_account("differing_totals")
    audits, successes = await by_account("newest_audits"), await by_account("last_successes")
    rows = []
    for name in names if account is None else [account]:
        last = successes[name][0]["at"] if name in successes else None
        rows.append(
            {
                "account": name,
                "last_success": None if last is None else iso(last),
                "success_age_s": None if last is None else max(now_ms - last, 0) / 1000,
                "running": any(row["status"] == "running" for row in runs.get(name, ())),
                "watermarks": {
                    row["endpoint"]: iso(row["high_water"]) for row in marks.get(name, ())
                },
                "runs": [_run(row) for row in runs.get(name, ())],
                "control_totals": _totals(sums.get(name), differing.get(name, [])),
                "audit": _audit(audits[name][0]) if name in audits else None,
            }
        )
    return rows


def _run(row: asyncpg.Record) -> Row:
    return {
        "id": row["id"],
        "kind": row["kind"],
        "status": row["status"],
        "from": iso(row["window_start"]),
        "to": iso(row["window_end"]),
        "windows": row["windows"],
        "windows_done": row["windows_done"],
        "executions_seen": row["executions_seen"],
        "executions_new": row["executions_new"],
        "executions_left": row["executions_left"],
        "closings_seen": row["closings_seen"],
        "cash_rows_seen": row["cash_rows_seen"],
        "error": row["error"],
        "notes": json.loads(row["notes"]),
        "started_at": iso(row["started_at"]),
        "finished_at": None if row["finished_at"] is None else iso(row["finished_at"]),
    }


_MONEY = ("ledger_pnl", "exchange_pnl", "ledger_fees", "exchange_fees")


def _totals(sums: list[asyncpg.Record] | None, differing: list[asyncpg.Record]) -> Row | None:
    if not sums:
        return None
    row = sums[0]
    return {
        "cycles": row["cycles"],
        "differing": row["differing"],
        **{name: trimmed(row[name]) for name in _MONEY},
        "differences": [_total(one) for one in differing],
    }


def _total(row: asyncpg.Record) -> Row:
    return {
        "symbol": row["symbol"],
        "opened_at": iso(row["opened_at"]),
        "closed_at": iso(row["closed_at"]),
        **{
            name: trimmed(row[name])
            for name in (*_MONEY, "pnl_difference", "fee_difference", "tolerance")
        },
    }


def _audit(row: asyncpg.Record) -> Row:
    money = (
        *("opening_balance", "realised", "fees", "funding", "moved", "ledger_balance"),
        *("rounding", "log_balance", "wallet_balance", "difference"),
    )
    return {
        "at": iso(row["created_at"]),
        "since": iso(row["since"]),
        "until": iso(row["until"]),
        **{name: trimmed(row[name]) for name in money},
        "rows_compared": row["rows_compared"],
        "rows_differing": row["rows_differing"],
        "first_difference": row["first_difference"],
    }
