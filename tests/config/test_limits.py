"""Portfolio limits in the settings: what is nonsense is refused with the formula and the place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alpha.config import Config, load
from alpha.core.risk import COUNTS, FORMULAS, LOSSES, RATIOS, Action, Kind
from alpha.errors import ConfigError

SCOPES = ("overall", "accounts.main", "bots.shortseller")
#: As TOML; none of them is a limit of any kind.
NONSENSE = ("0", "-0.1", "-1", "nan", "inf", "-inf", "true", "'many'", "''", "'NaN'", "[1]", "{}")


def made(folder: Path, text: str) -> Config:
    path = folder / "alpha.toml"
    path.write_text(f"[bots.shortseller]\n{text}", encoding="utf-8")
    return load(path, {}, {})


def nonsense(kind: Kind) -> tuple[str, ...]:
    if kind in LOSSES:
        return (*NONSENSE, "1", "1.0", "5", "'1.5'")
    if kind in RATIOS:
        return (*NONSENSE, "101", "'100.01'")
    return (*NONSENSE, "2.5", "'2.5'") if kind in COUNTS else NONSENSE


@pytest.mark.parametrize("kind", Kind)
def test_a_nonsensical_limit_is_refused_with_its_formula(tmp_path: Path, kind: Kind) -> None:
    for number, value in enumerate(nonsense(kind)):
        scope = SCOPES[number % len(SCOPES)]
        with pytest.raises(ConfigError) as caught:
            made(tmp_path, f"[risk.{scope}]\n{kind} = {value}\n")
        words = str(caught.value)
        assert f"risk.{scope}.{kind}: " in words and "found" in words, words
        assert FORMULAS[kind] in words, (value, words)


@pytest.mark.parametrize("kind", Kind)
def test_an_action_that_there_is_not_is_refused(tmp_path: Path, kind: Kind) -> None:
    fine = "2" if kind in COUNTS else "0.5"
    for action in ("'stop'", "''", "'HALT'", "1", "[]", "true"):
        with pytest.raises(ConfigError) as caught:
            made(tmp_path, f"[risk.overall]\n{kind} = {fine}\n{kind}_action = {action}\n")
        words = str(caught.value)
        assert f"risk.overall.{kind}_action: " in words, words
        assert all(f"'{one}'" in words for one in Action), words
    refused = kind in COUNTS
    for action in Action:
        text = f"[risk.overall]\n{kind} = {fine}\n{kind}_action = '{action}'\n"
        if refused and action is Action.REDUCE:
            with pytest.raises(ConfigError, match=re.escape(FORMULAS[kind])):
                made(tmp_path, text)
        else:
            made(tmp_path, text)


@pytest.mark.parametrize("kind", Kind)
def test_an_action_without_its_limit_is_refused_with_the_formula(
    tmp_path: Path, kind: Kind
) -> None:
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, f"[risk.accounts.main]\n{kind}_action = 'halt'\n")
    words = str(caught.value)
    assert f"alpha.toml:3: risk.accounts.main.{kind}_action: expected " in words, words
    assert f"risk.accounts.main.{kind} beside it" in words and FORMULAS[kind] in words, words


def test_an_action_for_the_limit_of_a_plugin_is_taken(tmp_path: Path) -> None:
    limits = made(tmp_path, "[risk.bots.shortseller]\ndaily_loss_action = 'warn'\n").risk.bots
    assert limits["shortseller"].daily_loss is not None
    assert limits["shortseller"].daily_loss_action == "warn"


@pytest.mark.parametrize("scope", ["bots.nobody", "accounts.nowhere"])
def test_limits_of_somebody_who_is_not_there_are_refused(tmp_path: Path, scope: str) -> None:
    kind, name = scope.split(".")
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, f"[risk.{scope}]\nleverage = 3\n")
    assert f"alpha.toml:3: risk.{scope}: expected one of the {kind} " in str(caught.value)
    assert f"found {name!r}" in str(caught.value)


@pytest.mark.parametrize("key", ["day_loss", "daily_loss_acton", "Drawdown"])
def test_a_limit_that_there_is_not_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        made(tmp_path, f"[risk.overall]\n{key} = 0.1\n")
