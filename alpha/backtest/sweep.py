"""A sweep: backtests of one request at all points of a grid, ranked.

Points are ranked by their Sharpe ratio in sample, then by their return there. With a split, the
first part of the time is the sample; the rest is backtested from an account of its own, with what
lies before as warm-up, and only shown: it ranks nothing.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import structlog

from alpha.backtest.grid import Axis, Point, neighbours, points
from alpha.backtest.metrics import Figure, metrics
from alpha.backtest.seat import HookRaised
from alpha.backtest.setup import Prepared, Request, check_settings, prepare, read_for
from alpha.backtest.tape import Folder, Tape
from alpha.bots.discovery import Catalog
from alpha.clock import iso
from alpha.config import Config
from alpha.errors import AlphaError, ConfigError, NotFound

#: What ranks, in this order; higher is better.
RANKED_BY = ("sharpe", "total_return")
#: A best point is isolated if all of its neighbours lie below this part of its Sharpe ratio.
FALLEN = 0.5
#: Different reasons that are told where no point is left.
REASONS = 3

Figures = Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Job:
    """What all points share. Bars that start at or after `split_ms` are out of sample."""

    config: Config
    plugin_folders: tuple[Path, ...]
    environ: Mapping[str, str]
    request: Request
    split_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a point: figures, or why there are none. `fault` is the traceback of code that
    raised what it should not."""

    point: Point
    inside: Figures | None = None
    outside: Figures | None = None
    why: str = ""
    exit_code: int = 1
    fault: str = ""


class Executor(Protocol):
    """Runs points somewhere. The outcomes come as they are ready, in any order; closing the
    generator ends all work at once."""

    def run(self, job: Job, tasks: Sequence[Point]) -> Generator[Outcome, None, None]: ...


class SweepFailed(AlphaError):
    """No ranking can be given; `fault` is the traceback behind it, if there is one."""

    def __init__(self, message: str, exit_code: int, fault: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.fault = fault


@dataclass(slots=True)
class Swept:
    """`ranked` is best first; `left_out` are points that could not be run, each with its why."""

    axes: tuple[Axis, ...]
    ranked: list[Outcome]
    left_out: list[Outcome]
    split_ms: int | None
    notes: list[str]
    warnings: list[str] = field(default_factory=list)


def hush() -> None:
    """In a worker's process: a bot's every step is no news in a sweep."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


class Worker:
    """Runs points one after the other; the candles are read once."""

    def __init__(self, job: Job, folder: Folder | None = None) -> None:
        self._job = job
        self._catalog = Catalog(job.plugin_folders, job.environ)
        self._folder = folder or Folder(job.request.data)

    def load(self, plugins: Sequence[str]) -> None:
        """Imports plugins; raises as `Catalog.get` does."""
        for name in plugins:
            self._catalog.get(name)

    def prepared(self, request: Request, point: Point) -> Prepared:
        return prepare(self._job.config, self._catalog, _at(request, point), folder=self._folder)

    def check(self, point: Point) -> AlphaError | None:
        """What is wrong with the settings of a point."""
        try:
            check_settings(self._job.config, self._catalog, _at(self._job.request, point))
        except HookRaised:
            raise
        except AlphaError as error:
            return error
        return None

    def gathered(self, points: Sequence[Point]) -> Folder:
        """The folder with all that running the points reads. An error is that of its point and
        comes again when that is run."""
        for point in points:
            with suppress(Exception):
                request = _at(self._job.request, point)
                read_for(self._job.config, self._catalog, request, self._folder)
        return self._folder

    def run(self, point: Point) -> Outcome:
        """Both parts of the time. What is wrong is in the outcome: nothing is raised."""
        request, split_ms = self._job.request, self._job.split_ms
        try:
            if split_ms is None:
                return Outcome(point, _figures(self.prepared(request, point)))
            before, behind = replace(request, to_ms=split_ms), replace(request, from_ms=split_ms)
            inside = _figures(self.prepared(before, point))
            return Outcome(point, inside, _figures(self.prepared(behind, point)))
        except HookRaised as error:
            return Outcome(point, why=str(error), fault=_trace(error.__cause__ or error))
        except AlphaError as error:
            return Outcome(point, why=str(error), exit_code=error.exit_code)
        except Exception as error:
            why = f"internal error: {type(error).__name__}: {error}"
            return Outcome(point, why=why, fault=_trace(error))


def sweep(
    job: Job,
    axes: tuple[Axis, ...],
    executor: Executor,
    *,
    split: float = 1.0,
    expect: Callable[[int], None] = lambda _: None,
    advance: Callable[[int], None] = lambda _: None,
) -> Swept:
    """Runs the grid. `split` is the part of the time that is in sample; 1 leaves nothing out.
    ConfigError and NotFound for settings with which no point can be run, SweepFailed where a
    plugin raises or no point is left."""
    _refuse_fixed(job.request, axes)
    worker = Worker(job)
    found = points(axes)
    wrong = _wrong(worker, axes, found)
    tasks = [point for point in found if point.number not in wrong]
    if not tasks:
        raise next(iter(wrong.values()))
    sample = _sample(worker, job.request, tasks)
    job, notes = replace(job, split_ms=_split(job.request, sample.tape, split)), sample.notes
    del worker, sample  # and with them the candles: the workers have theirs
    outcomes = [
        Outcome(found[number], why=str(error), exit_code=error.exit_code)
        for number, error in wrong.items()
    ]
    expect(len(tasks))
    with closing(executor.run(job, tasks)) as coming:
        for outcome in coming:
            if outcome.fault:
                raise SweepFailed(f"{outcome.point}: {outcome.why}", 1, outcome.fault)
            outcomes.append(outcome)
            advance(1)
    outcomes.sort(key=lambda one: one.point.number)
    ranked = sorted((one for one in outcomes if one.inside is not None), key=_rank)
    left_out = [one for one in outcomes if one.inside is None]
    if not ranked:
        whys = list({one.why: one for one in left_out}.values())[:REASONS]
        message = "; ".join(f"{one.point}: {one.why}" for one in whys)
        raise SweepFailed(f"no point could be run; {message}", whys[0].exit_code)
    swept = Swept(axes, ranked, left_out, job.split_ms, notes)
    swept.warnings = list(_warnings(swept))
    return swept


def sharpe(figures: Figures | None) -> float | None:
    found = None if figures is None else figures.get("sharpe")
    return found if isinstance(found, float) else None


def _at(request: Request, point: Point) -> Request:
    return replace(request, changes=(*request.changes, *point.changes))


def _figures(prepared: Prepared) -> Figures:
    """The single figures; groups by symbol and reason are for one backtest."""
    found = metrics(prepared.engine.run())
    return {
        key: value
        for key, value in found.items()
        if value is None or isinstance(value, int | float | str)
    }


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def _refuse_fixed(request: Request, axes: Sequence[Axis]) -> None:
    fixed = {f"{bot}.{key}" for bot, key, _ in request.changes}
    for axis in axes:
        if axis.name in fixed:
            raise ConfigError(f"{axis.name}: expected in --grid or in --set, found it in both")


def _wrong(worker: Worker, axes: Sequence[Axis], found: Sequence[Point]) -> dict[int, AlphaError]:
    """Errors by point. A value with which every point is wrong is a mistake and raised; single
    sets that do not go together (a fast average slower than the slow one) are left out."""
    wrong: dict[int, AlphaError] = {}
    for point in found:
        error = worker.check(point)
        if error is not None:
            wrong[point.number] = error
    for number, axis in enumerate(axes):
        for place in range(len(axis.values)):
            with_it = [point.number for point in found if point.places[number] == place]
            if all(one in wrong for one in with_it):
                raise wrong[with_it[0]]
    return wrong


def _sample(worker: Worker, request: Request, tasks: Sequence[Point]) -> Prepared:
    """The first point that has candles. Faulty files are found here, before any work begins."""
    missing: NotFound | None = None
    for point in tasks:
        try:
            return worker.prepared(request, point)
        except NotFound as error:
            missing = missing or error
    raise missing or NotFound("expected a point to run, found none")


def _split(request: Request, tape: Tape, part: float) -> int | None:
    """Where the sample ends: on a bar's start."""
    if part >= 1:
        return None
    begin = max(tape.start_ms, request.from_ms or tape.start_ms)
    last = max(one.starts[-1] for one in tape.candles.values()) + tape.interval_ms
    end = min(last, request.to_ms or last)
    found = tape.on_grid(begin + int((end - begin) * part))
    if not begin < found < end:
        raise NotFound(
            f"--split {part:g}: expected bars on both sides, found {iso(begin)} to {iso(end)}"
        )
    return found


def _rank(outcome: Outcome) -> tuple[bool, float, float]:
    """Points without a Sharpe ratio, such as those without a trade, come last."""
    figures = outcome.inside or {}
    ratio, gain = sharpe(figures), figures.get("total_return")
    return ratio is None, -(ratio or 0.0), -(gain if isinstance(gain, float) else 0.0)


def _warnings(swept: Swept) -> Iterator[str]:
    best = swept.ranked[0]
    top = sharpe(best.inside)
    if top is None or top <= 0:
        yield "no point earned anything in sample: the first is the least bad"
        return
    by_place = {one.point.places: sharpe(one.inside) for one in swept.ranked}
    # A neighbour without a trade earned nothing; one that could not be run says nothing.
    near = [
        by_place[places] or 0.0
        for places in neighbours(swept.axes, best.point.places)
        if places in by_place
    ]
    if near and max(near) < FALLEN * top:
        yield (
            f"the best point is an isolated peak: {best.point} has a Sharpe ratio of {top:.2f}, "
            f"the best of its {len(near)} neighbours {max(near):.2f}; such a peak is more often "
            "chance than skill"
        )
    later = sharpe(best.outside)
    if swept.split_ms is not None and (later is None or later < FALLEN * top):
        yield (
            f"the best point does not last: its Sharpe ratio is {top:.2f} in sample, "
            f"{'none' if later is None else f'{later:.2f}'} out of sample"
        )
