"""No bot knows the future: with noise in place of everything after a bar, what it decides up to
that bar stays the same. 200 seeded bars and every bar with a signal of the recorded candles.

One course runs over all of them. At each of those bars another bot takes its place: it has the
course's saved state and figures as of the bar before, and is handed that bar, then noise.
"""

from __future__ import annotations

import copy
import random  # noqa: TID251  (seeded)
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pytest

from alpha.bots import Subscription, hookimpl
from alpha.bots.barrier import Close, CloseBarrier
from alpha.bots.host import BotHandle, SavedBot
from alpha.core.decisions import Decision
from alpha.core.records import BotPosition
from plugins.momentum import Momentum, MomentumSettings
from plugins.shortseller import ShortSeller, ShortSellerSettings
from tests.plugins.desk import Desk
from tests.plugins.recorded import SYMBOLS, Round, four_hour_rounds, noise, rounds

pytestmark = pytest.mark.shared_data

#: Rounds of noise behind the last real one.
NOISE = 3


class WarmShortSeller(ShortSeller):
    """Its bars are those of the strategy that it is a copy of."""

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return [replaced(one) for one in super().subscriptions()]


class WarmMomentum(Momentum):
    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return [replaced(one) for one in super().subscriptions()]


def replaced(one: Subscription) -> Subscription:
    return Subscription(one.symbol, one.interval_ms, warmup_bars=1)


@dataclass(frozen=True)
class Bot:
    """`make` gives the strategy; its decisions begin behind `warm` rounds."""

    make: Callable[[], ShortSeller | Momentum]
    rounds: Callable[[], Sequence[Round]]
    warm: int
    least_signals: int


def short_seller(**settings: object) -> Callable[[], ShortSeller]:
    return lambda: WarmShortSeller(ShortSellerSettings.model_validate(settings))


def momentum(**settings: object) -> Callable[[], Momentum]:
    chosen = MomentumSettings.model_validate({"symbols": SYMBOLS, **settings})
    return lambda: WarmMomentum(chosen)


EAGER = {"bbw_pct": "0.95", "rvr": "1.0"}
BOTS: Mapping[str, Bot] = {
    "shortseller": Bot(short_seller(risk_gates=False), rounds, 3000, 900),
    "momentum": Bot(momentum(), four_hour_rounds, 109, 15),
    "momentum, eager": Bot(momentum(**EAGER), four_hour_rounds, 109, 40),
    "momentum, peak": Bot(
        momentum(**EAGER, trail="0.03", trail_basis="peak"), four_hour_rounds, 109, 40
    ),
}


@dataclass(frozen=True)
class Moment:
    """All that a bot knows between two closes."""

    saved: SavedBot
    strategy: ShortSeller | Momentum
    positions: Mapping[str, BotPosition]
    wallet: Decimal
    closes: Mapping[str, Decimal]


def hosted(strategy: Callable[[], object]) -> BotHandle:
    return BotHandle("bot", "bot_001", "main", strategy, plugin="bot")


def taken_over(moment: Moment) -> Desk:
    desk = Desk(
        hosted(lambda: copy.deepcopy(moment.strategy)),
        wallet=moment.wallet,
        positions=dict(moment.positions),
        closes=dict(moment.closes),
    )
    desk.handle.restore(moment.saved)
    return desk.run()


def hand_on(desk: Desk, coming: Sequence[Round]) -> None:
    """The worst way round: all bars of a symbol are in before the next brings its first."""
    barrier = CloseBarrier(desk.handle.subscriptions)
    for bars in zip(*coming, strict=True):
        for bar in bars:
            for step in barrier.add(bar, 0.0):
                if isinstance(step, Close):
                    desk.close(*step.bars.values())
                else:
                    desk.handle.bar(step)


def course(bot: Bot, look_at: set[int]) -> Iterator[tuple[int, Moment | None, list[Decision]]]:
    """Places of the real candles, what a bot decides there, and of those to look at what it knew
    before."""
    strategy = bot.make()
    desk = Desk(hosted(lambda: strategy))
    real = bot.rounds()
    for bars in real[: bot.warm]:
        for bar in bars:
            strategy.on_bar(bar)
    desk.run()
    for place in range(bot.warm, len(real) - NOISE):
        moment = None
        if place in look_at:
            moment = Moment(
                desk.handle.saved,
                copy.deepcopy(strategy),
                dict(desk.positions),
                desk.wallet,
                dict(desk.closes),
            )
        known = len(desk.decisions)
        desk.close(*real[place])
        yield place, moment, desk.decisions[known:]


def signals_of(bot: Bot) -> set[int]:
    return {place for place, _, made in course(bot, set()) if any(one.planned for one in made)}


@pytest.mark.parametrize("name", BOTS)
def test_no_decision_knows_what_comes_after_it(name: str) -> None:
    bot, draw = BOTS[name], random.Random(7)
    real, signals = bot.rounds(), signals_of(bot)
    assert len(signals) >= bot.least_signals
    look_at = signals | set(draw.sample(range(bot.warm, len(real) - NOISE), 200))
    for place, moment, made in course(bot, look_at):
        if moment is None:
            continue
        other = taken_over(moment)
        future = [noise(draw, bars) for bars in real[place + 1 : place + 1 + NOISE]]
        hand_on(other, [real[place], *future])
        assert other.decisions[: len(made)] == made
        assert len(other.decisions) >= len(made) + NOISE  # the noise was decided on as well


def test_the_check_would_notice() -> None:
    """Noise at the bar itself does change what is decided there."""
    bot, draw = BOTS["momentum, eager"], random.Random(7)
    real, signals = bot.rounds(), signals_of(bot)
    changed = 0
    for place, moment, made in course(bot, signals):
        if moment is not None:
            other = taken_over(moment)
            hand_on(other, [noise(draw, real[place])])
            changed += other.decisions[0] != made[0]
    assert changed > len(signals) / 2
