"""LXAlgo: buys coins that have just risen, with wide stops, and moves them to breakeven."""

from __future__ import annotations

from alpha.bots import Plugin

from .settings import LXAlgoSettings
from .strategy import LXAlgo

plugin = Plugin(
    name="lxalgo",
    alpha_api="1",
    strategy=LXAlgo,
    settings=LXAlgoSettings,
    version="1.0",
)

__all__ = ["LXAlgo", "LXAlgoSettings", "plugin"]
