"""What a plugin package offers: one `Plugin`, under the name `plugin`."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Generic

import pluggy

from alpha.bots.hookspecs import ALPHA_API, StrategyHooks
from alpha.bots.settings import S, build_settings
from alpha.core.reasons import Reason, ReasonBook
from alpha.errors import ConfigError

#: Hooks and their arguments, in the order in which the host gives them.
HOOKS: Mapping[str, tuple[str, ...]] = {
    name: tuple(list(inspect.signature(function).parameters)[1:])
    for name, function in vars(StrategyHooks).items()
    if hasattr(function, "alpha_spec")
}

#: A resolved hook: takes the arguments of its specification, by position.
HookFunction = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Plugin(Generic[S]):
    """`alpha_api` is the version of the hooks that the plugin was written for. `strategy` makes
    one strategy object per bot from its settings. `reasons` are those that the plugin adds to
    the built-in ones; names and codes live for ever."""

    name: str
    alpha_api: str
    strategy: Callable[[S], object]
    settings: type[S]
    version: str = "1"
    reasons: tuple[Reason, ...] = ()

    def check(self) -> None:
        """ConfigError when the plugin was written for another version of the hooks."""
        if self.alpha_api != ALPHA_API:
            raise ConfigError(
                f"plugin {self.name}: expected alpha_api {ALPHA_API!r}, was {self.alpha_api!r}; "
                "install a version of the plugin for this Alpha"
            )

    def reason_book(self, book: ReasonBook) -> ReasonBook:
        for reason in self.reasons:
            try:
                book = book.with_reason(reason.name, reason.code, is_entry=reason.is_entry)
            except ValueError as error:
                raise ConfigError(f"plugin {self.name}: {error}") from None
        return book

    def effective(self, raw: Mapping[str, object], *, bot: str) -> dict[str, object]:
        """A bot's settings with profile and defaults applied, as JSON has them."""
        return build_settings(self.settings, raw, bot=bot).model_dump(mode="json")

    def maker(self, raw: Mapping[str, object], *, bot: str) -> Callable[[], object]:
        """Checks a bot's settings; the answer makes its strategy object, as often as asked."""
        settings = build_settings(self.settings, raw, bot=bot)
        return lambda: self.strategy(settings)


def resolve_hooks(strategy: object, *, plugin: str) -> dict[str, HookFunction]:
    """The strategy's implementations by hook, ready to be called directly.

    ConfigError for a misspelt or unmarked hook, an argument that the hook does not have, an
    asynchronous hook, or no `subscriptions`."""
    manager = pluggy.PluginManager("alpha")
    manager.add_hookspecs(StrategyHooks)
    _refuse_unmarked(strategy, plugin)
    try:
        manager.register(strategy, name=plugin)
        for caller in manager.hook.__dict__.values():
            if isinstance(caller, pluggy.HookCaller):
                _refuse_unknown(caller, plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise ConfigError(f"plugin {plugin}: {' '.join(str(error).split())}") from None
    found: dict[str, HookFunction] = {}
    for hook, arguments in HOOKS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            if inspect.iscoroutinefunction(implementation.function):
                raise ConfigError(
                    f"plugin {plugin}: hook {hook} is asynchronous; expected a plain function"
                )
            found[hook] = _adapted(implementation.function, implementation.argnames, arguments)
    if "subscriptions" not in found:
        raise ConfigError(f"plugin {plugin}: expected the hook subscriptions, found none")
    return found


def _refuse_unknown(caller: pluggy.HookCaller, plugin: str) -> None:
    if not caller.has_spec() and caller.get_hookimpls():
        near = difflib.get_close_matches(caller.name, HOOKS, n=1, cutoff=0.0)
        raise ConfigError(
            f"plugin {plugin}: unknown hook {caller.name!r}; the nearest is {near[0]!r}"
        )


def _refuse_unmarked(strategy: object, plugin: str) -> None:
    """A method named like a hook without the mark would never be called: say so."""
    for name in dir(strategy):
        method = getattr(strategy, name, None)
        if not inspect.isroutine(method) or hasattr(method, "alpha_impl"):
            continue
        if name in HOOKS or name.startswith("on_"):
            raise ConfigError(
                f"plugin {plugin}: method {name} carries no @hookimpl; mark it or rename it"
            )


def _adapted(
    function: HookFunction, taken: tuple[str, ...], given: tuple[str, ...]
) -> HookFunction:
    """A hook may leave arguments out; pick those it takes, in its own order."""
    if taken == given:
        return function
    places = [given.index(name) for name in taken]
    if not places:
        return lambda *_: function()
    if len(places) == 1:
        only = places[0]
        return lambda *arguments: function(arguments[only])
    pick = itemgetter(*places)
    return lambda *arguments: function(*pick(arguments))
