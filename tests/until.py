"""Waiting in tests: for a condition, with a deadline, never for a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from alpha.clock import SystemClock


async def until(
    condition: Callable[[], bool | Awaitable[bool]], what: str, *, within_s: float = 15.0
) -> None:
    """Returns once `condition` holds; fails the test naming `what` when it does not in time."""
    clock = SystemClock()
    deadline = clock.monotonic() + within_s
    while True:
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        if clock.monotonic() > deadline:
            raise AssertionError(f"expected within {within_s:g} s: {what}")
        await clock.sleep(0.01)
