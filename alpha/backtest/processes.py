"""Points of a sweep in processes of this machine.

Workers are started afresh (not forked), so that no thread or open file of the parent lives on in
them, read the candles once, and get one point at a time. They leave Ctrl-C to the parent, which
ends them; should the parent be killed, each ends after the point at hand.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from alpha.backtest.grid import Point
from alpha.backtest.sweep import Job, Outcome, SweepFailed, Worker, hush
from alpha.interrupts import without_interrupt

#: How long a worker that was ended may take to be gone, in seconds.
PATIENCE_S = 5.0


class Processes:
    """An executor with up to `count` worker processes."""

    def __init__(self, count: int) -> None:
        self._count = count

    def run(self, job: Job, tasks: Sequence[Point]) -> Generator[Outcome, None, None]:
        """SweepFailed if a worker ends by itself, as one does that the system kills for want of
        memory."""
        waiting = iter(tasks)
        workers: list[BaseProcess] = []
        busy: dict[Connection, tuple[BaseProcess, Point]] = {}
        try:
            for point in (one for _, one in zip(range(self._count), waiting, strict=False)):
                process, line = _start(job)
                workers.append(process)
                busy[line] = process, point
                _hand(line, point)
            while busy:
                for line in [one for one in busy if one in wait(list(busy))]:
                    process, point = busy.pop(line)
                    outcome = _received(line, process, point)
                    following = next(waiting, None)
                    if following is not None:
                        busy[line] = process, following
                        _hand(line, following)
                    yield outcome
        finally:
            for process in workers:
                process.terminate()
            for process in workers:
                process.join(PATIENCE_S)


def _start(job: Job) -> tuple[BaseProcess, Connection]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(job, theirs), name="alpha sweep", daemon=True)
    with without_interrupt():
        process.start()
    theirs.close()  # so that each side sees the end of the other
    return process, ours


def _hand(line: Connection, point: Point) -> None:
    """To a worker that may be dead already: whoever waits for its answer finds that out."""
    with suppress(ConnectionError):
        line.send(point)


def _received(line: Connection, process: BaseProcess, point: Point) -> Outcome:
    try:
        outcome: Outcome = line.recv()
    except (EOFError, ConnectionError):
        process.join(PATIENCE_S)
        raise SweepFailed(
            f"{point}: expected its figures, but the worker process ended with "
            f"{process.exitcode}; was there enough memory? --jobs with fewer takes less",
            1,
        ) from None
    return outcome


def _work(job: Job, line: Connection) -> None:
    hush()
    worker = Worker(job)
    try:
        while True:
            point: Point = line.recv()
            line.send(worker.run(point))
    except (EOFError, ConnectionError):
        return  # the parent is gone
