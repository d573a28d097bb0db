"""The report of a run: what `alpha run --report FILE` leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import TypedDict

import structlog

from alpha.control.desk import PositionStatus, Status
from alpha.trading.latency import Figures, Latencies

log = structlog.get_logger(__name__)

#: A run has left this long after its end; what remains of that when all is drained is the
#: verification's.
_GONE_WITHIN_S = 5.0
#: For closing what is open after the report.
_CLOSING_S = 0.7


class BotReport(TypedDict):
    bot_id: str
    state: str
    orders: int
    fills: int
    positions: list[PositionStatus]
    realised_pnl: Decimal | str


class AccountReport(TypedDict):
    status: str
    gaps: int
    backfilled: int


class LedgerReport(TypedDict):
    """`verify` is "ok", "differs", or says why nobody verified."""

    executions: int | None
    fills: int | None
    sha256: str | None
    verify: str


class LatencyReport(TypedDict):
    """From the socket read to the order's bytes leaving, and to the committed transaction."""

    frame_to_order_us: Figures
    frame_to_commit_ms: Figures


class Report(TypedDict):
    mode: str
    seconds: float
    bots: dict[str, BotReport]
    accounts: dict[str, AccountReport]
    ledger: LedgerReport
    latency: LatencyReport


def compose(
    status: Status,
    seconds: float,
    ledger: LedgerReport,
    frame_to_order_us: Iterable[Latencies],
    frame_to_commit_ms: Latencies,
) -> Report:
    return {
        "mode": status["mode"],
        "seconds": round(seconds, 3),
        "bots": {
            name: {
                "bot_id": bot["bot_id"],
                "state": bot["state"],
                "orders": bot["orders"],
                "fills": bot["fills"],
                "positions": bot["positions"],
                "realised_pnl": bot["realised_pnl"],
            }
            for name, bot in status["bots"].items()
        },
        "accounts": {
            name: {
                "status": account["status"],
                "gaps": account["gaps"],
                "backfilled": account["backfilled"],
            }
            for name, account in status["accounts"].items()
        },
        "ledger": ledger,
        "latency": {
            "frame_to_order_us": Latencies.together(frame_to_order_us).figures(),
            "frame_to_commit_ms": frame_to_commit_ms.figures(),
        },
    }


def write(report: Report, path: Path) -> None:
    """At once or not at all: readers never see half a report."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(json.dumps(report, indent=2, default=_plain) + "\n", encoding="utf-8")
    unfinished.replace(path)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"expected a JSON value, was {type(value).__name__}")


async def verify_ledger(mode: str, config_file: Path | None, since_end_s: float) -> LedgerReport:
    """Asks a fresh process, under the same settings, to verify the ledger: nothing of this one's
    memory is believed. It has what is left of the time to leave, `since_end_s` after the end."""
    within_s = max(_GONE_WITHIN_S - _CLOSING_S - since_end_s, 1.0)
    config = [] if config_file is None else ["--config", str(config_file)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "alpha",
        "ledger",
        "verify",
        "--json",
        "--mode",
        mode,
        *config,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(within_s):
            output, errors = await process.communicate()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        return _unverified(f"not finished within {within_s:.1f} s")
    try:
        found = json.loads(output)
    except ValueError:
        return _unverified(errors.decode(errors="replace").strip() or "no answer")
    if not found["ok"]:
        log.error("ledger_differs", problems=found["problems"][:5])
    return {
        "executions": found["executions"],
        "fills": found["fills"],
        "sha256": found["sha256"],
        "verify": "ok" if found["ok"] else "differs",
    }


def _unverified(why: str) -> LedgerReport:
    return {"executions": None, "fills": None, "sha256": None, "verify": f"not verified: {why}"}
