"""Long computations beside the loop, which goes on turning: leases are renewed, Ctrl-C is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


async def beside(work: Callable[[], T]) -> T:
    """What `work` returns or raises: a computation on what nobody else changes meanwhile. It has a
    thread that no end of the process waits for, other than those of the loop's executor: whoever is
    cancelled goes at once, and what the computation comes to is forgotten."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = copy_context()  # with the precision of decimals

    def compute() -> None:
        try:
            answer = partial(_answer, done, context.run(work))
        except BaseException as error:  # it is the caller's
            answer = partial(_fail, done, error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(answer)

    Thread(target=compute, name="beside", daemon=True).start()
    return await done


def _answer(done: asyncio.Future[T], result: T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: asyncio.Future[T], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
