"""Alpha: one asyncio daemon that runs many Bybit trading bots as plugins.

For scripts and notebooks: `from alpha import AlphaDB` (docs/library.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alpha.facade import AlphaDB

__version__ = "0.1.0"
__all__ = ["AlphaDB", "__version__"]


def __getattr__(name: str) -> type[AlphaDB]:
    """Imported when it is asked for: commands that do without it start faster."""
    if name == "AlphaDB":
        from alpha.facade import AlphaDB

        return AlphaDB
    raise AttributeError(f"module 'alpha' has no attribute {name!r}")
