"""Typed settings: defaults < config.toml < environment < command line."""

from alpha.config.load import load
from alpha.config.options import RunOptions, parse_span, process_started
from alpha.config.rules import check_start, select_bots
from alpha.config.settings import (
    AccountSettings,
    BotSettings,
    Config,
    ExchangeSettings,
    Mode,
    PaperSettings,
)

__all__ = [
    "AccountSettings",
    "BotSettings",
    "Config",
    "ExchangeSettings",
    "Mode",
    "PaperSettings",
    "RunOptions",
    "check_start",
    "load",
    "parse_span",
    "process_started",
    "select_bots",
]
