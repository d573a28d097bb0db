"""audit.command_log: who asked for what, over which face, and what came of it."""

from __future__ import annotations

import asyncio

import structlog

from alpha.control.desk import CommandRecord
from alpha.control.wire import encode
from alpha.ledger.pool import CONNECTION_ERRORS, Pool

log = structlog.get_logger(__name__)

_INSERT = """
INSERT INTO audit.command_log
       (channel, operator, command, arguments, decision, result, duration_ms)
VALUES ($1, $2, $3, $4::text::jsonb, $5, $6, $7::float8::numeric)
"""
_WITHIN_S = 2.0
_MAX_RESULT = 500


async def record(pool: Pool, row: CommandRecord) -> None:
    """Appends one row. A database that is away costs the row, never the verb: the row then
    stands in the log instead."""
    try:
        async with asyncio.timeout(_WITHIN_S):
            await pool.execute(
                _INSERT,
                row.channel,
                row.operator,
                row.command,
                encode(row.arguments),
                row.decision,
                row.result[:_MAX_RESULT],
                row.duration_ms,
            )
    except CONNECTION_ERRORS as error:
        log.warning(
            "command_not_in_audit_log",
            channel=row.channel,
            operator=row.operator,
            command=row.command,
            decision=row.decision,
            error=type(error).__name__,
        )
