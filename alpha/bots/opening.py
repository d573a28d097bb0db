"""Making the host of a bot from its plugin and its settings."""

from __future__ import annotations

from collections.abc import Mapping

from alpha.alerts import Alerts
from alpha.bots.guard import Limits
from alpha.bots.host import BotHandle
from alpha.bots.mark import HookMark
from alpha.bots.plugin import Plugin
from alpha.bots.settings import S
from alpha.core.reasons import BUILTIN, ReasonBook


def open_bot(
    plugin: Plugin[S],
    *,
    name: str,
    bot_id: str,
    account: str,
    settings: Mapping[str, object],
    book: ReasonBook = BUILTIN,
    limits: Limits | None = None,
    mark: HookMark | None = None,
    alerts: Alerts | None = None,
) -> BotHandle:
    """A bot of a plugin, `disabled`. ConfigError for wrong settings or a faulty plugin, BotFault
    for a strategy that cannot be made."""
    plugin.check()
    return BotHandle(
        name,
        bot_id,
        account,
        plugin.maker(settings, bot=name),
        plugin=plugin.name,
        version=plugin.version,
        book=plugin.reason_book(book),
        limits=limits,
        mark=mark,
        alerts=alerts,
    )
