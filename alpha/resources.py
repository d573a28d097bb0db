"""The files that travel with the package: migrations, plugins, the settings that it comes with.

In a checkout they lie beside the package, where people edit them; a wheel carries them inside.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def migrations_folder() -> Path:
    """The folder with 0001_*.sql and its successors."""
    return _find("migrations")


def plugins_folder() -> Path:
    """The folder with the plugins that come with Alpha, one package each."""
    return _find("plugins")


def default_config() -> Path:
    """The config.toml that counts where there is none in the working folder."""
    return _find("config.toml")


def _find(name: str) -> Path:
    inside = _PACKAGE / f"_{name}"
    return inside if inside.exists() else _PACKAGE.parent / name
