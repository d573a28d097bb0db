"""Does everything agree? Tables, Redis and the exchange against the executions, at one cut.

Reads one snapshot of the database (repeatable read), recomputes every projection from
executions, overrides and order rows with the independent implementation of `alpha.ledger.audit`,
and compares row by row. Redis and the exchange are asked through what the caller injects (their
failures arrive as AlphaError or OSError); sizes count as different only when they stay so for
two seconds, because a daemon may be trading.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from alpha.clock import Clock, SystemClock
from alpha.core.canonical import LedgerDigest, plain
from alpha.core.records import MANUAL
from alpha.errors import AlphaError, NotFound
from alpha.ledger.pool import Connection, connect, end_with_us
from alpha.ledger.reader import LedgerReader
from alpha.ledger.verify_books import BookFindings, Problem, check_books

Verdict = Literal["ok", "differs", "not_asked"]

#: Signed sizes by (bot_id, symbol), flat ones may be absent.
MirrorPositions = Callable[[], Awaitable[Mapping[tuple[str, str], Decimal]]]

SETTLE_S = 2.0
_POLL_S = 0.25
_WINDOW_MS = 7 * 86_400_000
_MOST_PROBLEMS = 200


class ExchangeTruth(Protocol):
    """What the exchange itself says about an account."""

    async def executions(
        self, account: str, after_ms: int, until_ms: int
    ) -> Collection[tuple[str, str]]:
        """(symbol, exec_id) of every execution of the window, `after_ms` excluded."""
        ...

    async def positions(self, account: str) -> Mapping[str, Decimal]:
        """Signed net size by symbol; flat ones may be absent."""
        ...


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """`commit_no`: the cut, the last commit of each account that was looked at. `not_asked`: why
    Redis or the exchange was not."""

    ok: bool
    executions: int
    fills: int
    sha256: str
    tables: Verdict
    redis: Verdict
    exchange: Verdict
    problems: tuple[Problem, ...]
    commit_no: Mapping[str, int]
    not_asked: Mapping[str, str]

    def as_json(self) -> dict[str, object]:
        return {
            "ok": self.ok,
            "executions": self.executions,
            "fills": self.fills,
            "sha256": self.sha256,
            "tables": self.tables,
            "redis": self.redis,
            "exchange": self.exchange,
            "commit_no": dict(self.commit_no),
            "not_asked": dict(self.not_asked),
            "problems": [
                {"where": one.where, "expected": one.expected, "found": one.found}
                for one in self.problems
            ],
        }


@dataclass(slots=True)
class _Findings:
    """What one snapshot of the database says."""

    executions: int = 0
    fills: int = 0
    sha256: str = ""
    problems: list[Problem] = field(default_factory=list)
    commit_no: dict[str, int] = field(default_factory=dict)
    not_asked: dict[str, str] = field(default_factory=dict)
    #: account -> times of its first and its last execution
    span_ms: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take(self, book: BookFindings) -> None:
        self.executions += book.executions
        self.fills += book.fills
        self.problems += book.problems
        if book.span_ms is not None:
            first, last = self.span_ms.get(book.account, book.span_ms)
            self.span_ms[book.account] = min(first, book.span_ms[0]), max(last, book.span_ms[1])


async def verify(
    dsn: str,
    *,
    account: str | None = None,
    mirror_reader: MirrorPositions | None = None,
    mirrored: Collection[str] | None = None,
    exchange_reader: ExchangeTruth | None = None,
    clock: Clock | None = None,
    jobs: int = 1,
) -> VerifyResult:
    """Verifies one account, or all. `mirrored`: the bots that `mirror_reader` tells of, when
    another daemon's are on the same database. `jobs`: processes that work at the tables. Raises
    NotFound for an unknown account. A Redis or an exchange that cannot be reached counts as not
    asked."""
    wall = clock or SystemClock()
    connection = await connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await end_with_us(connection)
            accounts = await _accounts(connection, account)
            findings = await _read_cut(connection, dsn, accounts, account, jobs)
        tables: Verdict = "differs" if findings.problems else "ok"
        reader = LedgerReader(connection)
        redis = await _ask_redis(reader, accounts, mirror_reader, mirrored, findings, wall)
        exchange = await _ask_exchange(reader, accounts, exchange_reader, findings, wall)
    finally:
        await connection.close()
    return VerifyResult(
        ok=not findings.problems,
        executions=findings.executions,
        fills=findings.fills,
        sha256=findings.sha256,
        tables=tables,
        redis=redis,
        exchange=exchange,
        problems=_shortened(findings.problems),
        commit_no=findings.commit_no,
        not_asked=findings.not_asked,
    )


def _shortened(problems: list[Problem]) -> tuple[Problem, ...]:
    shown = problems[:_MOST_PROBLEMS]
    if len(problems) > len(shown):
        shown.append(Problem("problems", f"{len(shown)} shown", f"{len(problems)} in all"))
    return tuple(shown)


async def _accounts(connection: Connection, account: str | None) -> list[str]:
    known = await LedgerReader(connection).accounts()
    if account is None:
        return known
    if account not in known:
        raise NotFound(f"expected one of {', '.join(known) or 'no accounts'}, was {account!r}")
    return [account]


# -- the tables ---------------------------------------------------------------------------------


async def _read_cut(
    connection: Connection, dsn: str, accounts: list[str], account: str | None, jobs: int
) -> _Findings:
    """The digest takes books by account and symbol, in the order of code points."""
    reader, findings, digest = LedgerReader(connection), _Findings(), LedgerDigest()
    numbers = await reader.commit_numbers()
    findings.commit_no = {name: numbers.get(name, 0) for name in accounts}
    symbols = {name: await reader.booked_symbols(name) for name in accounts}
    books = sorted((name, symbol) for name in accounts for symbol in symbols[name])
    async for book in check_books(connection, dsn, books, jobs):
        findings.take(book)
        digest.add_lines(book.lines)
    digest.add(await reader.all_overrides(account))
    findings.sha256 = digest.hexdigest()
    return findings


# -- Redis and the exchange ---------------------------------------------------------------------

Difference = tuple[str, str]  # what was expected, what was found
Compare = Callable[[], Awaitable[dict[str, Difference]]]


async def _lasting(compare: Compare, clock: Clock) -> dict[str, Difference]:
    """The differences that stay for two seconds."""
    different = await compare()
    until = clock.monotonic() + SETTLE_S
    while different and clock.monotonic() < until:
        await clock.sleep(_POLL_S)
        now = await compare()
        different = {where: now[where] for where in different if where in now}
    return different


def _sizes_apart(
    where: str, expected: Mapping[str, Decimal], found: Mapping[str, Decimal]
) -> dict[str, Difference]:
    nothing = Decimal(0)
    return {
        f"{where} {key}": (plain(expected.get(key, nothing)), plain(found.get(key, nothing)))
        for key in sorted(expected.keys() | found.keys())
        if expected.get(key, nothing) != found.get(key, nothing)
    }


async def _ask_redis(
    reader: LedgerReader,
    accounts: list[str],
    mirror: MirrorPositions | None,
    mirrored: Collection[str] | None,
    findings: _Findings,
    clock: Clock,
) -> Verdict:
    if mirror is None:
        return "not_asked"
    bots = {bot for account in accounts for bot in await reader.known_bots(account)}

    async def compare() -> dict[str, Difference]:
        expected = {
            f"{bot} {symbol}": size
            for account in accounts
            for (bot, symbol), size in (await reader.open_sizes(account)).items()
            if bot != MANUAL and (mirrored is None or bot in mirrored)
        }
        shown = await mirror()
        found = {f"{bot} {symbol}": size for (bot, symbol), size in shown.items() if bot in bots}
        return _sizes_apart("redis", expected, found)

    return await _verdict("redis", compare, findings, clock)


async def _ask_exchange(
    reader: LedgerReader,
    accounts: list[str],
    exchange: ExchangeTruth | None,
    findings: _Findings,
    clock: Clock,
) -> Verdict:
    if exchange is None:
        findings.not_asked["exchange"] = "none can be reached: the built-in one runs with a daemon"
        return "not_asked"
    verdicts: set[Verdict] = set()
    for account in accounts:
        _, last_ms = findings.span_ms.get(account, (0, 0))
        compares = [_positions_compare(reader, exchange, account, last_ms)]
        if account in findings.span_ms:
            span = findings.span_ms[account]
            compares.append(_executions_compare(reader, exchange, account, span))
        for compare in compares:
            verdicts.add(await _verdict("exchange", compare, findings, clock))
    if "differs" in verdicts:
        return "differs"
    return "not_asked" if "not_asked" in verdicts else "ok"


def _executions_compare(
    reader: LedgerReader, exchange: ExchangeTruth, account: str, span: tuple[int, int]
) -> Compare:
    """Both lists of the seven days up to the cut, or since the ledger's first execution."""
    first, until = span
    after = max(first - 1, until - _WINDOW_MS)

    async def compare() -> dict[str, Difference]:
        theirs = set(await exchange.executions(account, after, until))
        ours = await reader.exec_ids(account, after, until)
        missing = {key: ("an execution", "none in the ledger") for key in theirs - ours}
        foreign = {key: ("none on the exchange", "an execution") for key in ours - theirs}
        return {
            f"exchange {account} {symbol} {exec_id}": difference
            for (symbol, exec_id), difference in sorted((missing | foreign).items())
        }

    return compare


def _positions_compare(
    reader: LedgerReader, exchange: ExchangeTruth, account: str, last_ms: int
) -> Compare:
    """Net sizes. A symbol that has traded on the exchange since the cut is not compared: the
    next sweep of a daemon brings what the ledger does not have yet."""

    async def compare() -> dict[str, Difference]:
        ours: dict[str, Decimal] = {}
        for (_, symbol), size in (await reader.open_sizes(account)).items():
            ours[symbol] = ours.get(symbol, Decimal(0)) + size
        theirs = dict(await exchange.positions(account))
        where = f"exchange {account}"
        apart = _sizes_apart(where, theirs, ours)
        if apart and last_ms:
            later = await exchange.executions(account, last_ms, last_ms + _WINDOW_MS)
            unknown = await reader.missing_exec_ids(account, list(later))
            ahead = {f"{where} {symbol}" for symbol, _ in unknown}
            apart = {key: found for key, found in apart.items() if key not in ahead}
        return apart

    return compare


async def _verdict(what: str, compare: Compare, findings: _Findings, clock: Clock) -> Verdict:
    try:
        different = await _lasting(compare, clock)
    except (AlphaError, OSError) as error:
        findings.not_asked[what] = str(error) or type(error).__name__
        return "not_asked"
    findings.problems += [
        Problem(where, expected, found) for where, (expected, found) in different.items()
    ]
    return "differs" if different else "ok"
