"""The documents speak of what there is: hooks, arguments, settings, profiles, levels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alpha.bots import PluginSettings
from alpha.bots.plugin import HOOKS
from alpha.core.intents import Enter, Exit, MoveStop, StopPlan
from plugins.lxalgo import LXAlgoSettings
from plugins.momentum import MomentumSettings
from plugins.shortseller import ShortSellerSettings

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
#: The bots that come with Alpha, by the folder of their plugin.
SETTINGS: dict[str, type[PluginSettings]] = {
    "lxalgo": LXAlgoSettings,
    "momentum": MomentumSettings,
    "shortseller": ShortSellerSettings,
}


def readme(plugin: str) -> str:
    return (ROOT / "plugins" / plugin / "README.md").read_text(encoding="utf-8")


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


@pytest.mark.parametrize("plugin", SETTINGS)
def test_each_setting_stands_in_the_readme_with_its_default(plugin: str) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `?([^`|]*)`? \|", readme(plugin), re.MULTILINE))
    assert set(rows) == set(SETTINGS[plugin].model_fields)
    settings = SETTINGS[plugin]()
    for name, text in rows.items():
        if "see below" in text:
            continue
        value = getattr(settings, name)
        shown = text.strip().strip('"')
        if isinstance(value, bool):
            assert shown == str(value).lower()
        elif isinstance(value, tuple):
            assert re.findall(r'"(\w+)"', text) == list(value)
        else:
            assert shown == str(value), name


def test_the_levels_in_the_readme_are_the_defaults() -> None:
    rows = re.findall(
        r"^\| (\w+USDT) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|",
        readme("shortseller"),
        re.MULTILINE,
    )
    shown = {symbol: tuple(cells) for symbol, *cells in rows}
    levels = ShortSellerSettings().levels
    assert shown == {
        symbol: tuple(str(cell) for cell in (one.sl, one.tp, one.trail, one.activation))
        for symbol, one in levels.items()
    }


def test_the_symbols_in_the_readme_are_the_default() -> None:
    text = readme("momentum").partition("Symbols (each with USDT): ")[2].partition(".\n")[0]
    assert tuple(f"{coin}USDT" for coin in text.split()) == MomentumSettings().symbols


@pytest.mark.parametrize("plugin", SETTINGS)
def test_each_setting_says_what_it_means(plugin: str) -> None:
    for name, field in SETTINGS[plugin].model_fields.items():
        assert field.description, name
