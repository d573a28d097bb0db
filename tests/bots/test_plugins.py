from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest

from alpha.bots import Plugin, PluginSettings, Reason, Subscription, hookimpl
from alpha.bots.discovery import Catalog
from alpha.bots.opening import open_bot
from alpha.bots.plugin import HOOKS, resolve_hooks
from alpha.core.reasons import BUILTIN
from alpha.errors import ConfigError, NotFound

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT / "plugins", ROOT / "tests" / "plugins"]

SOURCE = """
from alpha.bots import Plugin, PluginSettings, Subscription, hookimpl

class Strategy:
    def __init__(self, settings):
        pass

    @hookimpl
    def subscriptions(self):
        return [Subscription("AAA", 60_000, 1)]

plugin = Plugin(name="{name}", alpha_api="{api}", strategy=Strategy, settings=PluginSettings)
"""


def write(folder: Path, name: str, source: str = "", *, api: str = "1") -> None:
    package = folder / name
    package.mkdir(parents=True)
    text = source or SOURCE.format(name=name, api=api)
    (package / "__init__.py").write_text(text, encoding="utf-8")


# -- discovery --------------------------------------------------------------------------------


def test_plugins_are_found_in_folders() -> None:
    catalog = Catalog(FOLDERS, {})
    assert {"shortseller", "metronome"} <= set(catalog.names())
    assert catalog.get("metronome").version == "1"
    assert catalog.get("metronome") is catalog.get("metronome")
    bot = open_bot(
        catalog.get("metronome"),
        name="m",
        bot_id="metronome_001",
        account="main",
        settings={"symbols": ["ETHUSDT"]},
    )
    assert bot.subscriptions == (Subscription("ETHUSDT", 60_000, 1),)


def test_an_unknown_plugin_names_the_known_ones(tmp_path: Path) -> None:
    write(tmp_path, "alfa")
    write(tmp_path, "beta")
    with pytest.raises(NotFound, match="unknown plugin 'gamma'; known are alfa, beta"):
        Catalog([tmp_path], {}).get("gamma")
    with pytest.raises(NotFound, match="known are none"):
        Catalog([tmp_path / "absent"], {}).get("gamma")


def test_the_environment_restricts_what_is_found(tmp_path: Path) -> None:
    write(tmp_path, "alfa")
    write(tmp_path, "beta")
    assert Catalog([tmp_path], {"ALPHA_LOAD_PLUGINS": "beta, other"}).names() == ("beta",)
    assert Catalog([tmp_path], {"ALPHA_LOAD_PLUGINS": ""}).names() == ()
    assert Catalog([tmp_path], {}).names() == ("alfa", "beta")


def test_nothing_is_imported_before_it_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "broken", "raise RuntimeError('on purpose')")
    write(tmp_path, "good")
    catalog = Catalog([tmp_path], {})
    assert catalog.get("good").name == "good"
    with pytest.raises(ConfigError, match=r"plugin broken .* RuntimeError: on purpose"):
        catalog.get("broken")
    assert not [name for name in sys.modules if name.startswith("alpha_plugin_broken")]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "expected an alpha.bots.Plugin named `plugin`, was NoneType"),
        ("plugin = 7", "expected an alpha.bots.Plugin named `plugin`, was int"),
        (SOURCE.format(name="other", api="1"), "expected this name, was 'other'"),
        (SOURCE.format(name="odd", api="2"), "expected alpha_api '1', was '2'"),
    ],
)
def test_odd_plugins_are_refused(tmp_path: Path, source: str, message: str) -> None:
    write(tmp_path, "odd", source)
    with pytest.raises(ConfigError) as caught:
        Catalog([tmp_path], {}).get("odd")
    assert message in str(caught.value)


def test_a_plugin_offered_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "one", "alfa")
    write(tmp_path / "two", "alfa")
    with pytest.raises(ConfigError, match="plugin alfa: expected one, found it in"):
        Catalog([tmp_path / "one", tmp_path / "two"], {}).get("alfa")


def test_installed_packages_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real distribution on the path, with an entry point."""
    write(tmp_path, "alpha_gamma_bot", SOURCE.format(name="gamma", api="1"))
    info = tmp_path / "alpha_gamma_bot-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: alpha-gamma-bot\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[alpha.plugins]\ngamma = alpha_gamma_bot:plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert metadata.version("alpha-gamma-bot") == "1.0"
    catalog = Catalog([], {})
    assert "gamma" in catalog.names()
    assert catalog.get("gamma").name == "gamma"


# -- hooks ------------------------------------------------------------------------------------


class Base:
    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return [Subscription("AAA", 60_000, 1)]


def test_a_misspelt_hook_names_the_nearest() -> None:
    class Misspelt(Base):
        @hookimpl
        def on_cloze(self, bars: object) -> None: ...

    with pytest.raises(ConfigError, match="unknown hook 'on_cloze'; the nearest is 'on_close'"):
        resolve_hooks(Misspelt(), plugin="odd")


def test_an_unmarked_hook_is_an_error() -> None:
    class Unmarked(Base):
        def on_close(self, bars: object) -> None: ...

    with pytest.raises(ConfigError, match="method on_close carries no @hookimpl"):
        resolve_hooks(Unmarked(), plugin="odd")


def test_an_argument_that_a_hook_has_not_is_an_error() -> None:
    class Greedy(Base):
        @hookimpl
        def on_close(self, bars: object, clock: object) -> None: ...

    with pytest.raises(ConfigError, match="clock"):
        resolve_hooks(Greedy(), plugin="odd")


def test_an_asynchronous_hook_is_an_error() -> None:
    class Async(Base):
        @hookimpl
        async def on_close(self) -> None: ...

    with pytest.raises(ConfigError, match="hook on_close is asynchronous"):
        resolve_hooks(Async(), plugin="odd")


def test_subscriptions_are_required() -> None:
    class Silent:
        @hookimpl
        def on_close(self) -> None: ...

    with pytest.raises(ConfigError, match="expected the hook subscriptions, found none"):
        resolve_hooks(Silent(), plugin="odd")


def test_arguments_may_be_left_out_and_come_in_any_order() -> None:
    class Picky(Base):
        @hookimpl
        def on_close(self, snapshot: object, close_ms: object) -> object:
            return (snapshot, close_ms)

        @hookimpl
        def on_timer(self) -> object:
            return "called"

    hooks = resolve_hooks(Picky(), plugin="picky")
    assert hooks["on_close"](1, 2, 3) == (3, 1)
    assert hooks["on_timer"](1, 2) == "called"
    assert set(hooks) == {"subscriptions", "on_close", "on_timer"}
    assert HOOKS["on_close"] == ("close_ms", "bars", "snapshot")


def test_a_strategy_that_cannot_be_made_is_the_bots_fault() -> None:
    def fail(settings: PluginSettings) -> object:
        raise RuntimeError("no")

    plugin = Plugin(name="odd", alpha_api="1", strategy=fail, settings=PluginSettings)
    with pytest.raises(Exception, match="bot o: plugin odd could not make its strategy"):
        open_bot(plugin, name="o", bot_id="o", account="main", settings={})


def test_plugins_add_reasons() -> None:
    plugin = Plugin(
        name="odd",
        alpha_api="1",
        strategy=lambda settings: Base(),
        settings=PluginSettings,
        reasons=(Reason("moon_phase", "mp", True),),
    )
    book = plugin.reason_book(BUILTIN)
    assert book.is_entry("moon_phase")
    assert BUILTIN.get("moon_phase") is None
    clash = Plugin(
        name="odd",
        alpha_api="1",
        strategy=lambda settings: Base(),
        settings=PluginSettings,
        reasons=(Reason("moon_phase", "ec", True),),
    )
    with pytest.raises(ConfigError, match=r"plugin odd: .* clashes"):
        clash.reason_book(BUILTIN)
