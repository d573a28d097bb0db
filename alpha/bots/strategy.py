"""One strategy object with its hooks resolved and guarded, and its state in canonical JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal

import msgspec

from alpha.bots.guard import GuardedHook, Limits
from alpha.bots.hookspecs import Subscription
from alpha.bots.mark import HookMark
from alpha.bots.plugin import resolve_hooks
from alpha.core.markets import Market
from alpha.errors import BotFault

_encode = msgspec.json.Encoder(decimal_format="string", order="deterministic").encode


class GuardedStrategy:
    """`fail` is told when a hook has failed too often in a row."""

    def __init__(
        self,
        strategy: object,
        *,
        bot: str,
        plugin: str,
        limits: Limits,
        fail: Callable[[str], object],
        mark: HookMark | None,
    ) -> None:
        self.hooks = {
            name: GuardedHook(bot, name, function, limits, fail, mark)
            for name, function in resolve_hooks(strategy, plugin=plugin).items()
        }
        self.per_symbol = bool(getattr(strategy, "per_symbol", False))
        self._chooses = "universe" in self.hooks
        self.subscriptions = self._checked(bot, "subscriptions", self.hooks["subscriptions"].call())
        self._bot = bot
        self._encoded, self._state = b"{}", "{}"  # the newest state, checked
        self._dump = self.hooks.get("dump_state")
        self._load = self.hooks.get("load_state")
        self._halted = self.hooks.get("halted")

    @property
    def chooses(self) -> bool:
        """Whether it chooses its symbols among the exchange's."""
        return self._chooses

    def choose(
        self, now_ms: int, markets: Sequence[Market], held: AbstractSet[str]
    ) -> tuple[Subscription, ...]:
        """The subscriptions from now on: those of the hook `universe`, then the present ones of
        symbols that are `held`. BotFault when the answer is none; the present ones stand then."""
        hook = self.hooks["universe"]
        found = self._checked(self._bot, "universe", hook.call(now_ms, markets, held))
        hook.accept()
        chosen = {one.symbol for one in found}
        kept = (one for one in self.subscriptions if one.symbol in held - chosen)
        self.subscriptions = (*found, *kept)
        return self.subscriptions

    def _checked(self, bot: str, hook: str, answer: object) -> tuple[Subscription, ...]:
        expected = f"bot {bot}: hook {hook}: expected a sequence of Subscription"
        if not isinstance(answer, Sequence) or not (answer or self._chooses):
            raise BotFault(bot, f"{expected}, was {answer!r}")
        found: dict[tuple[str, int], Subscription] = {}
        for item in answer:
            if not isinstance(item, Subscription):
                raise BotFault(bot, f"{expected}, was one of {type(item).__name__}")
            if (item.symbol, item.interval_ms) in found:
                raise BotFault(bot, f"{expected}, was {item.symbol} {item.interval_ms} ms twice")
            found[item.symbol, item.interval_ms] = item
        return tuple(found.values())

    def leverage(self, symbol: str) -> Decimal | None:
        hook = self.hooks.get("leverage")
        if hook is None:
            return None
        answer = hook.call(symbol)
        if answer is None or (isinstance(answer, Decimal) and answer.is_finite() and answer >= 1):
            return answer
        raise hook.fault(f"hook leverage: expected a Decimal of at least 1, was {answer!r}")

    def state(self) -> str:
        """Canonical JSON of the state: keys sorted, Decimals as strings. BotFault if it is none."""
        hook = self._dump
        if hook is None:
            return "{}"
        answer = hook.call()
        if not isinstance(answer, Mapping):
            raise hook.fault(f"hook dump_state: expected a mapping, was {type(answer).__name__}")
        try:
            text = _encode(answer)
            if text == self._encoded:
                return self._state
            if b"null" in text or b"NaN" in text or b"Infinity" in text:
                unfit = _unfit(answer, "state")
                if unfit:
                    raise hook.fault(f"hook dump_state: expected finite numbers, {unfit}")
            self._encoded, self._state = text, text.decode()
            return self._state
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise hook.fault(f"hook dump_state: expected JSON values: {error}") from None

    def load(self, state_json: str) -> None:
        """Hands a saved state back. BotFault when the strategy does not take it."""
        state: object = msgspec.json.decode(state_json)
        if self._load is not None:
            self._load.call(state)

    def halted(self) -> str | None:
        if self._halted is None:
            return None
        answer = self._halted.call()
        return answer if isinstance(answer, str) else None


def _unfit(value: object, where: str) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{where} is {value}"
    if isinstance(value, Decimal) and not value.is_finite():
        return f"{where} is {value}"
    if isinstance(value, Mapping):
        for key, inner in value.items():
            found = _unfit(inner, f"{where}.{key}")
            if found:
                return found
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            found = _unfit(inner, f"{where}[{place}]")
            if found:
                return found
    return None
