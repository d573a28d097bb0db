"""The command line: thin verbs over `alpha.control`, one exit code table.

0 ok · 1 error · 2 not found, unknown name, usage · 3 not running · 4 config error · 5 timeout
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import typer

from alpha.errors import AlphaError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. The only place where errors become codes."""
    from alpha.cli.app import app

    try:
        with _stopped_by_sigterm():
            code = app(args=arguments, standalone_mode=False)
    except AlphaError as error:
        return _complain(str(error), error.exit_code)
    except typer.TyperException as error:
        return _complain(error.format_message(), error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return _complain("stopped before it was done; nothing was changed half-way", 1)
    except BrokenPipeError:
        # Whoever read our output has gone (`alpha fills | head`); that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("ALPHA_DEBUG"):
            traceback.print_exc()
        return _complain(*_told(error))
    return code if isinstance(code, int) else 0


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """What Ctrl-C does, SIGTERM does as well: programs that a verb has started are ended, and what
    it has begun in the database is taken back. A daemon has handlers of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    if signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, signal.SIG_DFL):
        raise KeyboardInterrupt  # what a shell starts in the background ignores Ctrl-C
    signal.raise_signal(signal.SIGINT)


def _told(error: Exception) -> tuple[str, int]:
    """The words and the exit code for what no verb has foreseen."""
    causes: list[BaseException] = [error]
    while (earlier := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(earlier)
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno in _NO_ROOM:
            where = f" for {cause.filename}" if cause.filename else ""
            return f"expected room on the disk{where}, was {cause.strerror}; make some", 1
        if _is_of_postgres(cause, "DiskFullError"):
            words = "expected room on the disk of PostgreSQL"
            return f"{words}, was: {cause}; nothing was changed half-way: make some", 1
    lost = next((cause for cause in reversed(causes) if _is_lost_connection(cause)), None)
    if lost is not None:
        # What comes last is only what follows when a connection is gone.
        for cause in causes[: causes.index(lost)]:
            if isinstance(cause, AlphaError):
                return str(cause), cause.exit_code
        return (
            f"expected PostgreSQL to answer to the end, was {type(lost).__name__}: {lost}; nothing "
            f"was changed half-way: see that it runs, then try again",
            5,
        )
    if isinstance(error, TimeoutError):
        return (
            "expected an answer in time, had none: a server has too much to do, or somebody holds "
            "a lock in the database; nothing was changed half-way: try again",
            5,
        )
    return f"internal error: {type(error).__name__}: {error}; ALPHA_DEBUG=1 shows where", 1


def _is_lost_connection(error: BaseException) -> bool:
    if _is_of_postgres(error, "InterfaceError"):
        return "closed" in str(error)
    return _is_of_postgres(
        error, "PostgresConnectionError", "AdminShutdownError", "CrashShutdownError"
    )


def _is_of_postgres(error: BaseException, *names: str) -> bool:
    """Whether it is one of asyncpg's errors, which is not imported to find that out."""
    asyncpg = sys.modules.get("asyncpg")
    return asyncpg is not None and any(isinstance(error, getattr(asyncpg, name)) for name in names)


def _complain(message: str, code: int) -> int:
    """One line; only a help page, which is what a verb without arguments gets, keeps its own."""
    if not message.startswith("Usage:"):
        message = "alpha: " + " ".join(message.split())
    print(message, file=sys.stderr)
    return code
