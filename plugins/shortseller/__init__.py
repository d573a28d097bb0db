"""ShortSeller: sells BTC, ETH and SOL short when the price drops through a slow average."""

from __future__ import annotations

from alpha.bots import Plugin

from .settings import ShortSellerSettings
from .strategy import ShortSeller

plugin = Plugin(
    name="shortseller",
    alpha_api="1",
    strategy=ShortSeller,
    settings=ShortSellerSettings,
    version="1.0",
)

__all__ = ["ShortSeller", "ShortSellerSettings", "plugin"]
