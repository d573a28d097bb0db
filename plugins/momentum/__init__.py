"""Momentum: buys 4-hour breakouts out of narrow Bollinger bands on high volume."""

from __future__ import annotations

from alpha.bots import Plugin

from .settings import MomentumSettings
from .strategy import Momentum

plugin = Plugin(
    name="momentum",
    alpha_api="1",
    strategy=Momentum,
    settings=MomentumSettings,
    version="1.0",
)

__all__ = ["Momentum", "MomentumSettings", "plugin"]
