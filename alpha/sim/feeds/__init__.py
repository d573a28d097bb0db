"""Market feeds of the simulated exchange: where its prices come from."""

from __future__ import annotations

from pathlib import Path

from alpha.sim.feeds.base import Candle, Feed, FeedError, InstrumentSpec, Tick
from alpha.sim.feeds.replay import ReplayFeed
from alpha.sim.feeds.synthetic import SyntheticFeed

__all__ = ["Candle", "Feed", "FeedError", "InstrumentSpec", "Tick", "build_feed"]


def build_feed(kind: str, *, seed: int, data: Path | None, start_ms: int | None) -> Feed:
    """The feed named `kind`: `synthetic` (made from `seed`) or `replay` (candles of `data`).

    `start_ms` is the moment at which the market opens, None for the feed's own default.
    Raises `FeedError` when the feed cannot be built.
    """
    if kind == "synthetic":
        return SyntheticFeed(seed, start_ms)
    if kind == "replay":
        if data is None:
            raise FeedError("expected a folder of candle files for the replay feed; give --data")
        return ReplayFeed(data, start_ms)
    raise FeedError(f"expected the feed synthetic or replay, was {kind!r}; correct --feed")
