"""The synthetic market: the same for every order of questions, whole at every interval, sane."""

from __future__ import annotations

import math
import random  # noqa: TID251  shuffles the order of questions, seeded
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from statistics import fmean, median, pstdev, pvariance

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpha.sim.feeds import Candle, Feed, FeedError, build_feed
from alpha.sim.feeds.market_model import MODEL_VERSION
from tests.sim.feeds_entry_rules import BAR_4H, BAR_5M, DAY, MINUTE

SYMBOLS = [
    "BTCUSDT",
    "ETHUSDT",
    "SOLUSDT",
    "XRPUSDT",
    "BNBUSDT",
    "DOGEUSDT",
    "ADAUSDT",
    "AVAXUSDT",
    "LINKUSDT",
    "SUIUSDT",
    "ARBUSDT",
    "OPUSDT",
    "NEARUSDT",
    "WIFUSDT",
    "1000PEPEUSDT",
]


def synthetic(seed: int = 1, start_ms: int | None = None) -> Feed:
    return build_feed("synthetic", seed=seed, data=None, start_ms=start_ms)


@pytest.fixture(scope="module")
def feed() -> Feed:
    return synthetic()


def joined(symbol_candles: list[Candle]) -> Candle:
    """One bar made of shorter ones, the plain way."""
    return Candle(
        symbol_candles[0].start_ms,
        symbol_candles[0].open,
        max(candle.high for candle in symbol_candles),
        min(candle.low for candle in symbol_candles),
        symbol_candles[-1].close,
        sum((candle.volume for candle in symbol_candles), Decimal(0)),
    )


def test_fifteen_perpetuals_trade_on_their_grids(feed: Feed) -> None:
    assert [spec.symbol for spec in feed.instruments] == SYMBOLS
    assert (feed.name, feed.base_ms, feed.end_ms) == ("synthetic", MINUTE, None)
    for spec in feed.instruments:
        for candle in feed.candles(spec.symbol, MINUTE, feed.open_ms, feed.open_ms + 90 * MINUTE):
            assert candle.low <= min(candle.open, candle.close)
            assert candle.high >= max(candle.open, candle.close)
            for price in (candle.open, candle.high, candle.low, candle.close):
                assert price > 0 and price % spec.tick_size == 0
            assert candle.volume >= 0 and candle.volume % spec.qty_step == 0


def test_history_reaches_forty_days_back_and_ends_there(feed: Feed) -> None:
    for symbol in SYMBOLS:
        assert feed.candle(symbol, feed.open_ms - 40 * DAY) is not None
        assert feed.candle(symbol, feed.open_ms - 42 * DAY) is None
    days = feed.candles("BTCUSDT", DAY, 0, feed.open_ms)
    assert len(days) == 40


def test_the_market_never_ends(feed: Feed) -> None:
    far = feed.open_ms + 30 * 365 * DAY
    bars = feed.candles("WIFUSDT", BAR_5M, far, far + 2 * DAY)
    assert len(bars) == 576
    assert Decimal("0.02") < bars[-1].close < 6


def test_the_order_of_questions_does_not_matter() -> None:
    first = synthetic()
    hours = [
        (symbol, first.open_ms + (hour - 400) * 3_600_000)
        for symbol in SYMBOLS[:4]
        for hour in range(0, 800, 16)
    ]
    forward = {key: first.candles(key[0], BAR_5M, key[1], key[1] + 3_600_000) for key in hours}
    minutes = {key: first.candle(*key) for key in hours}
    shuffled = list(hours)
    random.Random(7).shuffle(shuffled)
    second = synthetic()
    for key in shuffled:
        assert second.candle(*key) == minutes[key]
        assert second.candles(key[0], BAR_5M, key[1], key[1] + 3_600_000) == forward[key]


def test_values_survive_the_eviction_of_caches() -> None:
    feed = synthetic()
    before = feed.candles("OPUSDT", BAR_5M, feed.open_ms, feed.open_ms + DAY)
    for symbol in SYMBOLS:
        feed.candles(symbol, BAR_4H, feed.open_ms, feed.open_ms + 60 * DAY)
    assert feed.candles("OPUSDT", BAR_5M, feed.open_ms, feed.open_ms + DAY) == before


def test_another_start_is_another_moment_of_the_same_market(feed: Feed) -> None:
    later = synthetic(start_ms=feed.open_ms + 20 * DAY)
    assert later.fingerprint != feed.fingerprint
    span = (later.open_ms - 10 * DAY, later.open_ms + 10 * DAY)
    for symbol in ("ETHUSDT", "1000PEPEUSDT"):
        assert later.candles(symbol, BAR_4H, *span) == feed.candles(symbol, BAR_4H, *span)


def test_a_seed_means_the_same_market_until_its_version_changes(feed: Feed) -> None:
    """If this fails, raise MODEL_VERSION and put the new digest here."""
    digest = sha256()
    for symbol in SYMBOLS:
        for start in (feed.open_ms - 40 * DAY, feed.open_ms, feed.open_ms + 300 * DAY):
            digest.update(repr(feed.candles(symbol, MINUTE, start, start + DAY // 6)).encode())
    assert (MODEL_VERSION, digest.hexdigest()[:16]) == (1, "a3206e0f10d1e061")


def test_seeds_make_different_markets(feed: Feed) -> None:
    other = synthetic(seed=2)
    assert other.fingerprint != feed.fingerprint
    span = (feed.open_ms, feed.open_ms + DAY)
    for symbol in SYMBOLS:
        assert other.candles(symbol, BAR_5M, *span) != feed.candles(symbol, BAR_5M, *span)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "1000PEPEUSDT"])
@pytest.mark.parametrize("minutes", [3, 5, 15, 60, 240, 1440, 10080])
def test_long_bars_are_their_minutes(feed: Feed, symbol: str, minutes: int) -> None:
    interval = minutes * MINUTE
    start = feed.open_ms - feed.open_ms % DAY
    bars = feed.candles(symbol, interval, start, start + 14 * DAY)
    assert len(bars) >= 1
    assert all(b.start_ms - a.start_ms == interval for a, b in pairwise(bars))
    for bar in bars[:: max(1, len(bars) // 3)]:
        parts = feed.candles(symbol, MINUTE, bar.start_ms, bar.start_ms + interval)
        assert len(parts) == minutes
        assert joined(parts) == bar


def test_weeks_begin_on_monday(feed: Feed) -> None:
    week = feed.candles("BTCUSDT", 7 * DAY, feed.open_ms, feed.open_ms + 20 * DAY)[0]
    assert (week.start_ms // DAY + 3) % 7 == 0  # 1970-01-01 was a Thursday


def test_only_whole_bars_inside_the_span(feed: Feed) -> None:
    start = feed.open_ms - feed.open_ms % BAR_4H
    assert len(feed.candles("BTCUSDT", BAR_4H, start, start + BAR_4H)) == 1
    assert feed.candles("BTCUSDT", BAR_4H, start, start + BAR_4H - 1) == []
    assert len(feed.candles("BTCUSDT", BAR_4H, start, start + 2 * BAR_4H - 1)) == 1
    assert len(feed.candles("BTCUSDT", BAR_4H, start + 1, start + 3 * BAR_4H)) == 2
    assert feed.candles("BTCUSDT", BAR_4H, start + 1, start + BAR_4H + 1) == []
    assert feed.candles("BTCUSDT", BAR_5M, start + 10, start) == []
    assert feed.candles("NOPEUSDT", BAR_4H, start, start + DAY) == []
    assert feed.candle("NOPEUSDT", start) is None
    assert feed.candle("BTCUSDT", start + 1) is None
    with pytest.raises(ValueError, match="expected an interval of n x 60000 ms, was 90000"):
        feed.candles("BTCUSDT", 90_000, start, start + DAY)


def test_each_bar_opens_where_the_one_before_closed(feed: Feed) -> None:
    """Also over midnight and over the era's edge (64 days)."""
    edge = (feed.open_ms // (64 * DAY) + 1) * 64 * DAY
    for symbol in SYMBOLS:
        for middle in (edge, feed.open_ms - feed.open_ms % DAY):
            bars = feed.candles(symbol, MINUTE, middle - 20 * MINUTE, middle + 20 * MINUTE)
            assert len(bars) == 40
            assert all(b.open == a.close for a, b in pairwise(bars))


@settings(max_examples=200, deadline=None)
@given(symbol=st.sampled_from(SYMBOLS), minute=st.integers(-40 * 1440, 400 * 1440))
def test_ticks_walk_through_their_bar(feed: Feed, symbol: str, minute: int) -> None:
    candle = feed.candle(symbol, feed.open_ms + minute * MINUTE)
    assert candle is not None
    spec = next(spec for spec in feed.instruments if spec.symbol == symbol)
    ticks = feed.ticks(symbol, candle)
    prices = [tick.price for tick in ticks]
    assert len(ticks) >= 4
    assert (prices[0], prices[-1]) == (candle.open, candle.close)
    assert (max(prices), min(prices)) == (candle.high, candle.low)
    assert all(price % spec.tick_size == 0 for price in prices)
    offsets = [tick.offset_ms for tick in ticks]
    assert offsets == sorted(offsets) and offsets[0] == 0 and offsets[-1] < MINUTE
    sizes = [tick.qty for tick in ticks]
    assert all(size >= spec.qty_step and size % spec.qty_step == 0 for size in sizes)
    if candle.volume >= len(ticks) * spec.qty_step:
        assert sum(sizes) == candle.volume
    assert list(synthetic().ticks(symbol, candle)) == list(ticks)


def test_prices_are_sane_over_months() -> None:
    """Daily volatility 2 to 8 %, fat tails, no drift to zero, liquid enough to be traded."""
    feeds = [synthetic(seed) for seed in (1, 5, 9)]
    tails: list[float] = []
    for symbol in SYMBOLS:
        daily: list[float] = []
        short: list[float] = []
        for feed in feeds:
            bars = feed.candles(symbol, BAR_5M, feed.open_ms, feed.open_ms + 20 * DAY)
            short += log_returns(bars)
            days = feed.candles(symbol, DAY, feed.open_ms - 40 * DAY, feed.open_ms + 40 * DAY)
            assert max(d.high for d in days) / min(d.low for d in days) < 8, symbol
            assert min(float(day.volume * day.close) for day in days) > 12e6, symbol
            daily += log_returns(days)
        assert 0.02 < pstdev(daily) < 0.08, symbol
        assert 3.5 < kurtosis(daily) < 20, symbol
        tails.append(kurtosis(short))
    assert 10 < median(tails) < 60  # recorded SOLUSDT: 14
    assert min(tails) > 5 and max(tails) < 300


def test_volume_follows_movement_and_coins_follow_the_market(feed: Feed) -> None:
    span = (feed.open_ms, feed.open_ms + 20 * DAY)
    bars = {symbol: feed.candles(symbol, BAR_5M, *span) for symbol in SYMBOLS}
    for symbol in SYMBOLS:
        moves = [abs(change) for change in log_returns(bars[symbol])]
        volumes = [float(bar.volume) for bar in bars[symbol][1:]]
        assert correlation(moves, volumes) > 0.3, symbol
    leader = log_returns(bars["BTCUSDT"])
    shared = [correlation(leader, log_returns(bars[symbol])) for symbol in SYMBOLS[1:]]
    assert fmean(shared) > 0.3
    assert max(shared) < 0.98


def test_funding_is_small_and_fixed_for_its_window(feed: Feed) -> None:
    window = feed.open_ms - feed.open_ms % (8 * 3_600_000)
    rates = [feed.funding_rate("SOLUSDT", window + n * 8 * 3_600_000) for n in range(60)]
    assert len(set(rates)) > 30
    assert all(abs(rate) <= Decimal("0.0005") for rate in rates)
    assert feed.funding_rate("SOLUSDT", window + 8 * 3_600_000 - 1) == rates[0]
    assert rates[:3] == [
        synthetic().funding_rate("SOLUSDT", window + n * 28_800_000) for n in range(3)
    ]


def test_a_start_before_the_epochs_history_is_refused() -> None:
    with pytest.raises(FeedError, match="expected a start from 1970-02-10"):
        synthetic(start_ms=DAY)


def test_an_unknown_feed_is_named() -> None:
    with pytest.raises(FeedError, match="expected the feed synthetic or replay, was 'live'"):
        build_feed("live", seed=1, data=None, start_ms=None)


def log_returns(bars: list[Candle]) -> list[float]:
    closes = [math.log(float(bar.close)) for bar in bars]
    return [now - before for before, now in pairwise(closes)]


def kurtosis(values: list[float]) -> float:
    mean = fmean(values)
    return fmean([(value - mean) ** 4 for value in values]) / pvariance(values) ** 2


def correlation(left: list[float], right: list[float]) -> float:
    ml, mr = fmean(left), fmean(right)
    shared = fmean([(a - ml) * (b - mr) for a, b in zip(left, right, strict=True)])
    return shared / (pstdev(left) * pstdev(right))
