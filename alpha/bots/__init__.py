"""The host of the bots, and everything a plugin needs in one import.

from alpha.bots import Enter, Exit, Plugin, PluginSettings, Subscription, hookimpl
"""

from __future__ import annotations

from pydantic import Field

from alpha.bots.hookspecs import ALPHA_API, JSON, Intents, Subscription, hookimpl, hookspec
from alpha.bots.plugin import Plugin
from alpha.bots.settings import Number, PluginSettings
from alpha.core.events import Bar
from alpha.core.instruments import Instrument, SizeRejected
from alpha.core.intents import Enter, Exit, MoveStop, StopPlan
from alpha.core.markets import Market
from alpha.core.reasons import Reason
from alpha.core.records import BotPosition, Fill, OrderRow
from alpha.core.snapshot import Snapshot

__all__ = [
    "ALPHA_API",
    "JSON",
    "Bar",
    "BotPosition",
    "Enter",
    "Exit",
    "Field",
    "Fill",
    "Instrument",
    "Intents",
    "Market",
    "MoveStop",
    "Number",
    "OrderRow",
    "Plugin",
    "PluginSettings",
    "Reason",
    "SizeRejected",
    "Snapshot",
    "StopPlan",
    "Subscription",
    "hookimpl",
    "hookspec",
]
