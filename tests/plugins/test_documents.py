"""The documents speak of what there is: hooks, arguments, settings, profiles, levels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alpha.bots.plugin import HOOKS
from alpha.core.intents import Enter, Exit, MoveStop, StopPlan
from plugins.shortseller import ShortSellerSettings

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
README = (ROOT / "plugins" / "shortseller" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_has_a_heading_with_its_arguments(hook: str) -> None:
    assert f"### {hook}({', '.join(HOOKS[hook])})\n" in GUIDE


def test_no_heading_speaks_of_a_hook_that_is_not() -> None:
    assert set(re.findall(r"^### (\w+)\(", GUIDE, re.MULTILINE)) == set(HOOKS)


@pytest.mark.parametrize("intent", [Enter, Exit, MoveStop, StopPlan])
def test_intents_are_documented_with_their_fields(intent: type[Enter]) -> None:
    found = re.search(rf"`{intent.__name__}\(([^)]*)\)`", GUIDE)
    assert found is not None
    named = {part.split("=")[0].strip() for part in found[1].split(",")}
    assert named == set(intent.model_fields) - {"kind"}


def test_the_guides_example_runs() -> None:
    source = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert source is not None
    scope: dict[str, object] = {}
    exec(compile(source[1], "docs/plugins.md", "exec"), scope)
    plugin = scope["plugin"]
    from alpha.bots import Plugin
    from alpha.bots.opening import open_bot

    assert isinstance(plugin, Plugin)
    handle = open_bot(plugin, name="m", bot_id="m", account="main", settings={"symbol": "ETHUSDT"})
    assert [one.symbol for one in handle.subscriptions] == ["ETHUSDT"]


def test_each_setting_stands_in_the_readme_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `?([^`|]*)`? \|", README, re.MULTILINE))
    assert set(rows) == set(ShortSellerSettings.model_fields)
    settings = ShortSellerSettings()
    for name, text in rows.items():
        value = getattr(settings, name)
        if name == "levels":
            continue
        shown = text.strip().strip('"')
        if isinstance(value, bool):
            assert shown == str(value).lower()
        elif isinstance(value, tuple):
            assert re.findall(r'"(\w+)"', text) == list(value)
        else:
            assert shown == str(value), name


def test_the_levels_in_the_readme_are_the_defaults() -> None:
    rows = re.findall(
        r"^\| (\w+USDT) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", README, re.MULTILINE
    )
    shown = {symbol: tuple(cells) for symbol, *cells in rows}
    levels = ShortSellerSettings().levels
    assert shown == {
        symbol: tuple(str(cell) for cell in (one.sl, one.tp, one.trail, one.activation))
        for symbol, one in levels.items()
    }


def test_each_setting_says_what_it_means() -> None:
    for name, field in ShortSellerSettings.model_fields.items():
        assert field.description, name
