"""Alpha: one asyncio daemon that runs many Bybit trading bots as plugins."""

__version__ = "0.1.0"
