"""The library's face for scripts and notebooks: `alpha.AlphaDB`."""

from alpha.facade.database import AlphaDB

__all__ = ["AlphaDB"]
