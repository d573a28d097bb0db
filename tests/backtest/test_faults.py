"""What a faulty plugin, or a bot's own halt, does to a backtest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from alpha.backtest.seat import HookRaised
from alpha.bots import Bar, Exit, Fill, Intents, Snapshot, Subscription, hookimpl
from tests.backtest.stage import BTC, STEP, Scripted, candles, enter, flat, run


class Raising(Scripted):
    def __init__(self, hook: str) -> None:
        super().__init__({0: [enter("Buy", 100.0)]})
        self._hook = hook

    @hookimpl
    def on_bar(self, bar: Bar) -> None:
        if self._hook == "on_bar" and bar.start_ms == 2 * STEP:
            raise ZeroDivisionError("no such number")

    @hookimpl
    def on_timer(self, now_ms: int) -> None:
        if self._hook == "on_timer" and now_ms == 3 * STEP:
            raise ZeroDivisionError("no such number")

    @hookimpl
    def halted(self) -> str | None:
        if self._hook == "halted":
            raise ZeroDivisionError("no such number")
        return None


@pytest.mark.parametrize(
    ("hook", "at"),
    [("on_bar", f"BTCUSDT {2 * STEP}"), ("on_timer", "00:15"), ("halted", "BTCUSDT 0")],
)
def test_a_hook_that_raises_ends_the_run_and_names_the_bar(hook: str, at: str) -> None:
    with pytest.raises(HookRaised, match=f"hook {hook} .*ZeroDivisionError: no such.*{at}") as seen:
        run(Raising(hook), [candles(BTC, flat(100.0, 4))])
    assert isinstance(seen.value.__cause__, ZeroDivisionError)


def test_a_hook_that_raises_names_the_one_bar_it_was_told() -> None:
    market = [candles(symbol, flat(100.0, 4)) for symbol in ("AUSDT", "BUSDT", "CUSDT")]

    class Picky(Scripted):
        @hookimpl
        def on_bar(self, bar: Bar) -> None:
            if (bar.symbol, bar.start_ms) == ("BUSDT", STEP):
                raise KeyError("bar")

    with pytest.raises(
        HookRaised, match=r"at BUSDT 300000 \(1970-01-01T00:05:00.000Z\); the trace"
    ):
        run(Picky(symbols=("AUSDT", "BUSDT", "CUSDT")), market)


def test_a_close_of_many_symbols_is_named_by_a_few() -> None:
    symbols = [f"C{number}USDT" for number in range(9)]

    def act(_: Snapshot) -> Intents:
        raise KeyError("close")

    with pytest.raises(HookRaised, match=r"C4USDT 0 and 4 more \(1970"):
        run(Scripted({0: act}, symbols), [candles(one, flat(100.0, 2)) for one in symbols])


def test_a_fill_hook_that_raises_names_its_bar() -> None:
    class Fragile(Scripted):
        @hookimpl
        def on_fill(self, fill: Fill) -> None:
            raise KeyError("fill")

    with pytest.raises(HookRaised, match=r"hook on_fill .* the fill of BTCUSDT in the bar of 1970"):
        run(Fragile({0: [enter("Buy", 100.0)]}), [candles(BTC, flat(100.0, 4))])


class Halting:
    """Enters at every close; halts itself at the second."""

    def __init__(self) -> None:
        self._closes = 0

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return [Subscription(BTC, STEP, 1)]

    @hookimpl
    def on_close(self, bars: Mapping[str, Bar]) -> Intents:
        self._closes += 1
        return [enter("Buy", 100.0), Exit(symbol=BTC, reason="risk_limit")]

    @hookimpl
    def halted(self) -> str | None:
        return "enough" if self._closes >= 2 else None


def test_a_halted_bot_takes_no_entries_and_still_exits() -> None:
    result = run(Halting(), [candles(BTC, flat(100.0, 5))])
    kinds = [(one.bar_ms // STEP, one.kind) for one in result.signals]
    # The close at which it halts still counts, as it does live.
    assert [number for number, kind in kinds if kind == "entry"] == [0, 1]
    assert [number for number, kind in kinds if kind == "exit"] == [0, 1, 2, 3, 4]
    assert not result.open_positions
    assert any("has stopped its entries: enough" in note for note in result.notes)


def test_a_plugins_own_mistakes_are_noted() -> None:
    script = Scripted({0: [enter("Buy", 10.0, symbol="ETHUSDT")]})
    result = run(script, [candles(BTC, flat(100.0, 2))])
    assert not result.signals
    assert any("does not subscribe to" in note for note in result.notes)
