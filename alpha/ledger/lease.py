"""Who owns an account: a row in `config.leases` on the database's clock.

One process holds an account with all its bots. The lease lives 4 s and is renewed every second;
its epoch rises with every new owner, and the writer commits only under the epoch it was given.
Nothing here needs a session, so it also works through PgBouncer in transaction mode.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import structlog

from alpha.clock import Clock, iso
from alpha.errors import AlphaError, NeedsOperator
from alpha.ledger.pool import CONNECTION_ERRORS, Connection, Pool
from alpha.ledger.queries import load

log = structlog.get_logger(__name__)

LIFE_MS = 4_000
RENEW_EVERY_S = 1.0
#: A lease counts as held until this long before the database would let another owner in.
MARGIN_MS = 500
#: What another owner sent may still reach the exchange this long after its lease ended: the
#: receive window of its last request and the way there.
QUIET_MS = 3_500
#: Sending stops when our own loop stood still this long: another owner may exist by now.
STALL_MS = 2_000
_TURN_EVERY_S = 0.5


class LeaseHeld(AlphaError):
    """Another live process owns the account."""


class LeaseBusy(LeaseHeld):
    """Somebody writes for the account in a transaction that takes long, such as an import."""


class LeaseLost(NeedsOperator):
    """Another process has taken the account over: this one must stop writing and sending."""


@dataclass(frozen=True, slots=True)
class Other:
    """Another installation that holds one of our accounts."""

    account: str
    holder: str
    expires_ms: int
    left_ms: int


class Lease:
    """The lease on all accounts of one daemon; all of them are held, or none.

    `holder` names the process to people ("host:token pid"), `installation` the data directory:
    whoever holds that directory's lock may take over what the same installation held before."""

    def __init__(
        self,
        pool: Pool,
        accounts: Sequence[str],
        holder: str,
        *,
        installation: str,
        clock: Clock,
    ) -> None:
        if not accounts:
            raise ValueError("expected at least one account, was none")
        self.accounts = tuple(sorted(set(accounts)))
        self.holder = holder
        self.installation = installation
        self.epochs: dict[str, int] = {}
        self._pool = pool
        self._clock = clock
        self._sql = load("lease.sql")
        self._renewed_at: float | None = None
        self._lost = False
        self._answered = True
        self._turned_at: float | None = None
        self._stalled = False
        self._quiet_until = 0.0

    async def acquire(self, *, take_over: bool = False) -> None:
        """Takes free and expired leases; with `take_over` also a live one of this installation.

        Raises LeaseHeld naming the holder and until when, LeaseBusy naming who writes."""
        try:
            await self._acquire(take_over)
        except asyncpg.LockNotAvailableError:
            rows = await self._pool.fetch(self._sql["holders"], list(self.accounts))
            holders = ", ".join(row["holder"] for row in rows) or "somebody"
            raise LeaseBusy(
                f"expected nobody to write for {', '.join(self.accounts)}, {holders} still does; "
                f"try again when that has ended"
            ) from None

    async def _acquire(self, take_over: bool) -> None:
        asked_at = self._clock.monotonic()
        quiet_ms = 0.0
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(self._sql["limits"])
            taken: dict[str, int] = {}
            for account in self.accounts:
                earlier: float | None = await connection.fetchval(
                    self._sql["before"], account, self.installation, QUIET_MS
                )
                row = await connection.fetchrow(
                    self._sql["acquire"],
                    account,
                    self.holder,
                    self.installation,
                    LIFE_MS,
                    take_over,
                )
                if row is None:
                    raise await self._refusal(connection, account)
                taken[account] = row["epoch"]
                quiet_ms = max(quiet_ms, earlier or 0.0)
        self.epochs = taken
        self._quiet_until = asked_at + quiet_ms / 1000
        self._renewed_at = asked_at
        self._turned_at = asked_at
        self._lost = self._stalled = False
        self._answered = True
        log.info("lease_acquired", holder=self.holder, epochs=dict(taken))

    async def others(self) -> list[Other]:
        """Who holds what we want, now; empty when `acquire` may succeed. Locks nothing."""
        rows = await self._pool.fetch(self._sql["others"], list(self.accounts), self.installation)
        return [
            Other(row["account"], row["holder"], row["expires_at"], row["left_ms"]) for row in rows
        ]

    async def other_daemon(self) -> str | None:
        """The holder of any account of this database that is another installation's."""
        holder: str | None = await self._pool.fetchval(self._sql["any_other"], self.installation)
        return holder

    async def check(self, connection: Connection, accounts: Collection[str]) -> None:
        """Raises LeaseLost unless all these accounts are ours under our epochs. Inside the
        transaction of `connection`, which also locks the rows: a takeover waits for its end."""
        wanted = sorted(accounts)
        foreign = [account for account in wanted if account not in self.epochs]
        if not foreign:
            epochs = [self.epochs[account] for account in wanted]
            rows = await connection.fetch(self._sql["check"], wanted, epochs, self.holder)
            held = {row["account"] for row in rows}
            foreign = [account for account in wanted if account not in held]
        if foreign:
            self._lost = True
            raise LeaseLost(
                f"expected to own account {foreign[0]} under epoch "
                f"{self.epochs.get(foreign[0])}, was not the owner any more; nothing was "
                f"written, this process has to stop"
            )

    @asynccontextmanager
    async def owning(self) -> AsyncIterator[Connection]:
        """A transaction for small writes beside the ledger's writer, which only the owner of
        the accounts can begin: an epoch checked here holds until it has ended."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(self._sql["limits"])
            await self.check(connection, self.accounts)
            yield connection

    async def quiet(self) -> None:
        """Waits until nothing that an earlier owner sent can arrive any more."""
        while (left := self._quiet_until - self._clock.monotonic()) > 0:
            await self._clock.sleep(max(left, 0.001))

    async def _refusal(self, connection: Connection, account: str) -> LeaseHeld:
        other = await connection.fetchrow(self._sql["show"], account)
        if other is None:
            return LeaseHeld(f"expected the lease on account {account}, was just taken; retry")
        return LeaseHeld(
            f"expected account {account} to be free, was held by {other['holder']} until "
            f"{iso(other['expires_at'])}; stop that daemon or wait for the lease to end"
        )

    async def renew_once(self) -> None:
        """Prolongs the leases. Raises LeaseLost when another owner has come in between."""
        asked_at = self._clock.monotonic()
        async with asyncio.timeout(LIFE_MS / 1000):
            rows = await self._pool.fetch(
                self._sql["renew"],
                list(self.epochs),
                list(self.epochs.values()),
                self.holder,
                LIFE_MS,
            )
        renewed = {row["account"] for row in rows}
        missing = [account for account in self.accounts if account not in renewed]
        if missing:
            self._lost = True
            raise LeaseLost(
                f"expected to hold account {missing[0]}, was taken over by another process; "
                f"this one has to stop"
            )
        self._renewed_at = asked_at
        self._stalled = False

    async def renew(self, changed: Callable[[bool], None] | None = None) -> None:
        """The renewing task: runs until LeaseLost. `changed` hears when the lease stops or
        starts being held."""
        turning = asyncio.create_task(self._keep_turning(changed), name="lease-turning")
        try:
            while True:
                await self._clock.sleep(RENEW_EVERY_S)
                await self._try_to_renew()
        finally:
            turning.cancel()
            await asyncio.wait([turning])

    async def _try_to_renew(self) -> None:
        try:
            await self.renew_once()
        except CONNECTION_ERRORS as error:
            if self._answered:
                log.warning("lease_not_renewed", error=type(error).__name__)
            self._answered = False
        else:
            if not self._answered:
                log.info("lease_renewed_again", holder=self.holder)
            self._answered = True

    async def _keep_turning(self, changed: Callable[[bool], None] | None) -> None:
        held = self.is_held()
        while True:
            await self._clock.sleep(_TURN_EVERY_S)
            self._turn()
            if changed is not None and self.is_held() is not held:
                held = not held
                changed(held)

    def _turn(self) -> None:
        """Notes that the loop turns; a pause of more than 2 s means that it stood still."""
        now = self._clock.monotonic()
        if self._turned_at is not None and (now - self._turned_at) * 1000 > STALL_MS:
            self._stalled = True
            log.error("loop_stalled", seconds=round(now - self._turned_at, 3))
        self._turned_at = now

    @property
    def lost(self) -> bool:
        """Another owner has come in between."""
        return self._lost

    def is_held(self) -> bool:
        """True while no other process can have become the owner."""
        return self._is_held_at(self._clock.monotonic())

    def _is_held_at(self, at: float) -> bool:
        if self._lost or self._renewed_at is None:
            return False
        return (at - self._renewed_at) * 1000 < LIFE_MS - MARGIN_MS

    def sendable(self, now: float, *, is_exit: bool = False) -> bool:
        """The gateway's check for a request stamped at the monotonic time `now`, taken before
        this call. Held: yes, once an earlier owner's requests cannot arrive any more. Not held
        because PostgreSQL does not answer while our loop never stood still: exits and stops
        only. Lost, or not held after a stall: nothing."""
        if self._lost or self._renewed_at is None or now < self._quiet_until:
            return False
        self._turn()
        if self._is_held_at(now):
            return True
        return is_exit and not self._stalled

    async def release(self) -> None:
        """Gives the accounts back on a clean stop; a lease that is not ours stays as it is."""
        if self._renewed_at is None:
            return
        self._renewed_at = None
        await self._pool.execute(
            self._sql["release"],
            list(self.epochs),
            list(self.epochs.values()),
            self.holder,
            QUIET_MS,
        )
        log.info("lease_released", holder=self.holder)
