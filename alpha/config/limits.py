"""Portfolio limits in the settings: the defaults of the bots that come along, and what a limit may
not be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from alpha.config.settings import Config, LimitSettings
from alpha.core.risk import FORMULAS, Action, Kind, Rule, fault_of, may_act
from alpha.errors import ConfigError

#: By plugin; a key that is set wins. A week's loss reduces where the bot's own rule does so too.
DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "shortseller": {
        "open_positions": 3,
        "leverage": Decimal(10),
        "daily_loss": Decimal("0.05"),
        "weekly_loss": Decimal("0.10"),
        "drawdown": Decimal("0.20"),
    },
    "lxalgo": {
        "open_positions": 20,
        "leverage": Decimal(1),
        "daily_loss": Decimal("0.02"),
        "weekly_loss": Decimal("0.04"),
        "weekly_loss_action": "reduce",
        "drawdown": Decimal("0.15"),
    },
    "momentum": {
        "open_positions": 3,
        "leverage": Decimal(1),
        "daily_loss": Decimal("0.03"),
        "weekly_loss": Decimal("0.08"),
        "weekly_loss_action": "reduce",
        "drawdown": Decimal("0.15"),
    },
}


def rules_of(limits: LimitSettings) -> tuple[Rule, ...]:
    """The limits that are set, with their actions."""
    found = []
    for kind in Kind:
        value = getattr(limits, kind.value)
        if value is not None:
            action = Action(getattr(limits, f"{kind.value}_action"))
            found.append(Rule(kind, Decimal(value), action))
    return tuple(found)


def formula_of(key: str) -> str:
    """The end of an error about a key: how its limit is counted; nothing for other keys."""
    name = key.rpartition(".")[2]
    known = name in set(Kind) and key.startswith("risk.")
    return f" (a limit is: {FORMULAS[Kind(name)]})" if known else ""


def check_limits(config: Config) -> None:
    """Raises ConfigError for a limit that nothing or everything breaks, for an action that cannot
    help or has no limit, and for the limits of somebody who is not there."""
    for scope, limits in _scopes(config):
        _refuse_lone_actions(config, f"risk.{scope}", limits)
        for rule in rules_of(limits):
            key = f"risk.{scope}.{rule.kind}"
            place = config.origins.get(key, "config")
            if fault_of(rule.kind, rule.limit):
                raise ConfigError(
                    f"{place}: {key}: expected {FORMULAS[rule.kind]}; found limit = {rule.limit:f}"
                )
            if not may_act(rule.kind, rule.action):
                raise ConfigError(
                    f"{place}: {key}_action: expected warn, block_entries, flatten or halt, found "
                    f"{rule.action.value}: smaller orders do not lower {FORMULAS[rule.kind]}"
                )


def _refuse_lone_actions(config: Config, scope: str, limits: LimitSettings) -> None:
    """Whoever says what follows a limit, and no limit, believes to have one."""
    for kind in Kind:
        key = f"{scope}.{kind}_action"
        place = config.origins.get(key, "default")
        if getattr(limits, kind.value) is None and not place.startswith("default"):
            raise ConfigError(
                f"{place}: {key}: expected {scope}.{kind} beside it, found no limit; set it "
                f"({FORMULAS[kind]}) or remove the action"
            )


def _scopes(config: Config) -> Iterator[tuple[str, LimitSettings]]:
    risk = config.risk
    yield "overall", risk.overall
    for kind, limited, known in (
        ("accounts", risk.accounts, config.accounts.keys()),
        ("bots", risk.bots, config.bots.keys()),
    ):
        for name, limits in limited.items():
            if name not in known:
                keys = (key for key in config.origins if key.startswith(f"risk.{kind}.{name}."))
                said = (config.origins[key] for key in keys if config.origins[key] != "default")
                place = next(said, "config")
                names = ", ".join(sorted(known)) or "none"
                raise ConfigError(
                    f"{place}: risk.{kind}.{name}: expected one of the {kind} {names}, "
                    f"found {name!r}"
                )
            yield f"{kind}.{name}", limits
