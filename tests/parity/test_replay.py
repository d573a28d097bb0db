"""What a replay repeats: the warm-up, closes that were cut, closes that came too late, restarts,
and choices of symbols. The live side is the bot's real host and barrier."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from alpha.alerts import Alerts
from alpha.bots.barrier import Close, CloseBarrier, Step
from alpha.bots.discovery import Catalog
from alpha.bots.host import BotHandle
from alpha.bots.opening import open_bot
from alpha.clock import ManualClock
from alpha.core.events import Bar
from alpha.core.instruments import Instrument
from alpha.core.records import BotPosition
from alpha.core.snapshot import Snapshot
from alpha.errors import NeedsOperator
from alpha.parity.recorder import Recorder
from alpha.parity.recording import Joined, RecordedBot
from alpha.parity.replay import Followed, Outcome, replay
from alpha.parity.report import document, first_divergence, is_same, lines
from alpha.parity.story import Story, load

STEP = 300_000
WARM = 5
SOURCE = """
from decimal import Decimal
from alpha.bots import Enter, Plugin, PluginSettings, Subscription, hookimpl

class Settings(PluginSettings):
    every: int = 3

class Counter:
    def __init__(self, settings):
        self.every = settings.every
        self.seen = {"AAAUSDT": 0, "BBBUSDT": 0}
        self.closes = 0

    @hookimpl
    def subscriptions(self):
        return [Subscription(symbol, 300_000, 5) for symbol in self.seen]

    @hookimpl
    def on_bar(self, bar):
        self.seen[bar.symbol] += 1

    @hookimpl
    def on_close(self, close_ms, bars, snapshot):
        self.closes += 1
        told = ",".join(f"{symbol}:{count}" for symbol, count in sorted(self.seen.items()))
        return [
            Enter(symbol=symbol, side="Buy", notional=Decimal(100), price=Decimal(str(bar.close)),
                  reason="ema_cross", leverage=Decimal(1), details={"seen": told})
            for symbol, bar in sorted(bars.items()) if self.seen[symbol] % self.every == 0
        ]

    @hookimpl
    def dump_state(self):
        return {"closes": self.closes}

    @hookimpl
    def load_state(self, state):
        self.closes = state["closes"]

plugin = Plugin(name="counter", alpha_api="1", strategy=Counter, settings=Settings)
"""
RULES = {
    symbol: Instrument(
        symbol=symbol,
        base_coin=symbol.removesuffix("USDT"),
        tick=Decimal("0.01"),
        qty_step=Decimal("0.1"),
        min_qty=Decimal("0.1"),
        max_qty=Decimal(1000),
        max_market_qty=Decimal(1000),
        min_notional=Decimal(5),
        max_leverage=Decimal(10),
    )
    for symbol in ("AAAUSDT", "BBBUSDT")
}


def bar(symbol: str, number: int) -> Bar:
    price = 100.0 + number % 7
    return Bar(symbol, STEP, number * STEP, price, price + 1, price - 1, price, 10.0, 1000.0)


class Live:
    """The daemon's side: one bot behind its barrier, and a recorder."""

    def __init__(self, catalog: Catalog, folder: Path) -> None:
        self.clock = ManualClock()
        self._catalog = catalog
        self.handle: BotHandle
        self.recorder = Recorder(
            folder,
            mode="paper",
            bots=[
                RecordedBot(
                    "counter",
                    "counter_001",
                    "counter",
                    "1",
                    "main",
                    msgspec.Raw(b"{}"),
                    None,
                    False,
                )
            ],
            max_notional=None,
            clock=self.clock,
            alerts=Alerts(self.clock),
        )
        self.begin()

    def begin(self) -> None:
        """A start of the daemon: the bot goes on where its saved state ends."""
        saved = self.handle.saved if hasattr(self, "handle") else None
        self.handle = open_bot(
            self._catalog.get("counter"),
            name="counter",
            bot_id="counter_001",
            account="main",
            settings={},
        )
        self.handle.restore(saved)
        self.handle.start()
        self.recorder.joined(self.handle, {})
        self._barrier = CloseBarrier(self.handle.subscriptions)

    def warm(self, first: int = 0, behind: int = WARM) -> None:
        for number in range(first, behind):
            for symbol in RULES:
                self._take([bar(symbol, number)])
        self.handle.ready()

    def bars(
        self, *numbers: int, symbols: Sequence[str] = tuple(RULES), stale: bool = False
    ) -> None:
        for number in numbers:
            for symbol in symbols:
                self._take(
                    self._barrier.add(bar(symbol, number), self.clock.monotonic(), stale=stale)
                )

    def cut(self) -> None:
        """The wait for the symbols that are late is over."""
        self.clock.advance(3000)
        self._take(self._barrier.due(self.clock.monotonic()))

    def _take(self, steps: Sequence[Step]) -> None:
        handle, witness = self.handle, self.recorder
        for step in steps:
            if not isinstance(step, Close):
                witness.shown(handle, step)
                handle.bar(step)
                continue
            money = Decimal(1000)
            empty: frozenset[str] = frozenset()
            picture = Snapshot(step.close_ms, {}, empty, empty, money, money, RULES)
            close = (step.interval_ms, step.close_ms, step.bars, picture)
            witness.closing(handle, *close, replayed=step.stale)
            decision = handle.close(*close, replayed=step.stale)
            if decision is not None:
                witness.decided(handle, decision)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    package = tmp_path / "plugins" / "counter"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(SOURCE, encoding="utf-8")
    return Catalog([tmp_path / "plugins"], {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "recordings"


@asynccontextmanager
async def live(catalog: Catalog, folder: Path) -> AsyncIterator[Live]:
    made = Live(catalog, folder)
    made.warm()
    yield made
    await made.recorder.close()


def replayed(folder: Path, catalog: Catalog, *, by_model: bool = False) -> tuple[Story, Outcome]:
    story = load(folder)
    return story, replay(story, catalog, by_model=by_model)


def only(outcome: Outcome) -> Followed:
    [bot] = outcome.bots
    return bot


async def test_the_warm_up_is_repeated(catalog: Catalog, folder: Path) -> None:
    async with live(catalog, folder) as it:
        it.bars(*range(WARM, 30))
    story, outcome = replayed(folder, catalog)
    assert is_same(outcome), list(lines(outcome))
    tally = only(outcome).tally
    assert tally.closes == len(list(story.tracks["counter"].called)) == 25
    assert tally.decisions == 18 and tally.sizes.values == tally.states_apart == 0


async def test_a_close_that_was_cut_is_cut_again(catalog: Catalog, folder: Path) -> None:
    async with live(catalog, folder) as it:
        it.bars(5, 6)
        it.bars(7, symbols=["AAAUSDT"])
        it.cut()
        it.bars(7, symbols=["BBBUSDT"])  # behind its close
        it.bars(*range(8, 12))
    story, outcome = replayed(folder, catalog)
    assert story.tracks["counter"].late == 1
    tally = only(outcome).tally
    assert is_same(outcome) and tally.sizes.values == 0, list(lines(outcome))
    assert tally.closes == 7


async def test_an_entry_that_came_too_late_goes_nowhere_here_either(
    catalog: Catalog, folder: Path
) -> None:
    async with live(catalog, folder) as it:
        it.bars(5, stale=True)  # the sixth bar of each: both enter
        it.bars(*range(6, 9))
    _, outcome = replayed(folder, catalog, by_model=True)
    assert only(outcome).tally.kept_back == 2
    assert only(outcome).tally.apart_closes == 0, list(lines(outcome))


async def test_an_order_that_never_was_filled_is_a_position_apart_by_the_model(
    catalog: Catalog, folder: Path
) -> None:
    """The same without being late: the daemon here fills nothing, the model does."""
    async with live(catalog, folder) as it:
        it.bars(*range(5, 9))
    _, outcome = replayed(folder, catalog, by_model=True)
    tally = only(outcome).tally
    assert tally.apart is not None and tally.apart.since_ms == 7 * STEP
    assert "live flat (no fill), backtest long" in str(tally.apart)
    assert tally.divergences == 0
    assert is_same(replayed(folder, catalog)[1])


async def test_a_restart_in_between_changes_nothing(catalog: Catalog, folder: Path) -> None:
    async with live(catalog, folder) as it:
        it.bars(*range(WARM, 12))
        it.begin()
        it.warm(0, 12)
        it.bars(*range(12, 20))
    story, outcome = replayed(folder, catalog)
    assert len(story.tracks["counter"].joined) == 2
    assert is_same(outcome), list(lines(outcome))
    assert only(outcome).tally.closes == 15 and only(outcome).tally.states_apart == 0


async def test_other_code_is_found_with_the_values_it_came_to(
    catalog: Catalog, folder: Path, tmp_path: Path
) -> None:
    async with live(catalog, folder) as it:
        it.bars(*range(WARM, 12))
    package = tmp_path / "other" / "counter"
    package.mkdir(parents=True)
    changed = SOURCE.replace("every: int = 3", "every: int = 4")
    (package / "__init__.py").write_text(changed, encoding="utf-8")
    _, outcome = replayed(folder, Catalog([tmp_path / "other"], {}))
    first = first_divergence(outcome)
    assert first is not None and not is_same(outcome)
    assert (first.bot, first.close_ms) == ("counter", 6 * STEP)
    assert [one.words for one in first.live] == [
        ("enter", "AAAUSDT", "Buy", "ema_cross"),
        ("enter", "BBBUSDT", "Buy", "ema_cross"),
    ]
    assert first.own == [] and first.cause()["kind"] == "plugin"
    told = "\n".join(lines(outcome))
    assert "live decided: enter AAAUSDT Buy (ema_cross) with seen AAAUSDT:6,BBBUSDT:6" in told
    assert "backtest decided: nothing" in told
    found = msgspec.json.decode(document(outcome))
    assert found["ok"] is False and found["divergence"]["bar_ms"] == 5 * STEP


async def test_bars_that_are_missing_are_said_to_be(catalog: Catalog, folder: Path) -> None:
    async with live(catalog, folder) as it:
        it.bars(*range(WARM, 12))
    story = load(folder)
    for bars in story.bars.values():
        del bars[8 * STEP]
    outcome = replay(story, catalog)
    assert [key.close_ms for key in only(outcome).unreached] == [9 * STEP]
    assert not is_same(outcome)
    assert any("1 closes could not be replayed" in line for line in lines(outcome))


async def test_a_recording_without_a_decision_says_so(catalog: Catalog, folder: Path) -> None:
    async with live(catalog, folder):
        pass
    with pytest.raises(NeedsOperator, match="decisions of at least one bot"):
        load(folder)


async def test_a_recording_begins_flat(catalog: Catalog, folder: Path) -> None:
    async with live(catalog, folder) as it:
        it.bars(5)
    story = load(folder)
    track = story.tracks["counter"]
    held = {"AAAUSDT": BotPosition("AAAUSDT", Decimal(2), Decimal(100), 0, "ema_cross")}
    joined: Joined = msgspec.structs.replace(track.joined[0], positions=held)
    track.joined[0] = joined
    with pytest.raises(NeedsOperator, match="begins flat, found AAAUSDT 2"):
        replay(story, catalog)
