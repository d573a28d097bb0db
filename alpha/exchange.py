"""The exchange of this run: Bybit's own hosts, configured ones, or the built-in one as a child."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
import structlog

from alpha.bybit.endpoints import Endpoints, endpoints_for
from alpha.bybit.fields import MalformedFrame
from alpha.bybit.rest import Rest
from alpha.clock import Clock, VenueClock
from alpha.config import Config
from alpha.core.instruments import Instrument
from alpha.errors import ConfigError, RetryLater
from alpha.paper import PaperAccount, PaperExchange, PaperMarket

log = structlog.get_logger(__name__)

CONTACT_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Venue:
    """`paper`: the built-in exchange that runs for this daemon."""

    endpoints: Endpoints
    paper: PaperExchange | None = None


async def open_exchange(
    stack: AsyncExitStack, config: Config, accounts: list[str], clock: Clock
) -> Venue:
    if config.mode == "paper" and not config.exchange.rest_url:
        paper = PaperExchange(config.data_dir, clock)
        market = PaperMarket(
            feed=config.paper.feed,
            seed=config.paper.seed,
            speed=float(config.paper.speed),
            data=str(config.paper.data) if config.paper.data else None,
            start=config.paper.start.isoformat() if config.paper.start else None,
        )
        keys = [
            PaperAccount(
                config.accounts[name].api_key.get_secret_value(),
                config.accounts[name].api_secret.get_secret_value(),
                f"{config.paper.balance:f}",
            )
            for name in accounts
        ]
        urls = await paper.start(market, keys)
        stack.push_async_callback(paper.stop)
        return Venue(
            Endpoints(urls.rest, urls.public_ws, urls.private_ws, urls.trade_ws), paper=paper
        )
    return Venue(_endpoints(config))


def _endpoints(config: Config) -> Endpoints:
    """Configured addresses over those of the mode."""
    asked = config.exchange
    if config.mode == "paper":
        missing = [k for k in ("public_ws_url", "private_ws_url") if k not in asked.urls]
        if missing:
            raise ConfigError(
                f"exchange.{missing[0]}: expected an address beside rest_url in mode paper, "
                f"found none; set it, or remove rest_url for the built-in exchange"
            )
        return Endpoints(
            asked.rest_url, asked.public_ws_url, asked.private_ws_url, asked.trade_ws_url
        )
    usual = endpoints_for(config.mode)
    return Endpoints(
        asked.rest_url or usual.rest,
        asked.public_ws_url or usual.public_ws,
        asked.private_ws_url or usual.private_ws,
        asked.trade_ws_url or usual.trade_ws,
    )


async def first_contact(
    public: Rest,
    venue: VenueClock,
    clock: Clock,
    check: Callable[[], None],
    say: Callable[[tuple[int, str] | None], None],
) -> list[Instrument]:
    """Anchors market time and returns what trades, as soon as the exchange answers: one that is
    away, or in maintenance, is waited for. `check` raises what has to end the wait; `say` is told
    since when (wall ms) there is no answer, and why, and None in the end."""
    said, since_ms = "", clock.now_ms()
    while True:
        check()
        try:
            venue.observe(await public.server_time())
            listed = await public.instruments()
        except (RetryLater, MalformedFrame) as error:
            say((since_ms, str(error)))
            if type(error).__name__ != said:
                said = type(error).__name__
                log.warning("exchange_does_not_answer", error=str(error), action="waits for it")
            await clock.sleep(CONTACT_EVERY_S)
        else:
            say(None)
            return listed


#: The daemon asks between looking at its own signals: an exchange that hangs must not hide them.
ASK_WITHIN = aiohttp.ClientTimeout(total=1)


async def market_has_ended(session: aiohttp.ClientSession, rest: str) -> bool:
    """Whether the built-in exchange has come to the end of its replay."""
    try:
        async with session.get(f"{rest}/sim/state", timeout=ASK_WITHIN) as answer:
            found: object = json.loads(await answer.read())
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False
    return isinstance(found, dict) and found.get("status") == "ended"
