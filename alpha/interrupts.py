"""Ctrl-C where processes of ours begin: a terminal sends it to all of them at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def without_interrupt() -> Iterator[None]:
    """Blocks SIGINT; a process that starts inherits that, from its first moment on, and leaves
    Ctrl-C to its parent, which ends it."""
    resource_tracker.ensure_running()  # its start, else within ours, would unblock SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
