"""`alpha sweep`: grids, ranks and warnings, and the command with its worker processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from alpha import resources
from alpha.backtest.grid import Point, neighbours, parse_axes, points
from alpha.backtest.processes import Processes
from alpha.backtest.setup import Request
from alpha.backtest.sweep import Job, Outcome, SweepFailed, Swept, sweep
from alpha.cli import main
from alpha.config import load
from alpha.errors import ConfigError
from tests.backtest.test_command import QUICK, data
from tests.conftest import ROOT

__all__ = ["data"]  # a fixture

FAST, SLOW = "shortseller.ema_fast", "shortseller.cooldown_bars"


def run(folder: Path, *options: str) -> int:
    quick = QUICK[2:] if any(FAST in option for option in options) else QUICK
    return main(["sweep", "--bots", "shortseller", "--data", str(folder), *quick, *options])


def document(folder: Path, tmp_path: Path, *options: str) -> dict[str, object]:
    file = tmp_path / "sweep.json"
    assert run(folder, "--json", str(file), *options) == 0
    found: dict[str, object] = json.loads(file.read_text())
    return found


def rows(found: object) -> list[dict[str, object]]:
    assert isinstance(found, list) and found
    return found


def figures(found: object) -> Mapping[str, object]:
    assert isinstance(found, dict)
    return found


# -- grids ------------------------------------------------------------------------------------


def test_numbers_are_a_scale_and_other_values_are_none() -> None:
    axes = parse_axes(["a.x=10,2,3.5", "a.y=one,two", 'b.z=[1,2],["a,b"]'])
    assert [axis.values for axis in axes] == [
        ("2", "3.5", "10"),
        ("one", "two"),
        ("[1,2]", '["a,b"]'),
    ]
    assert [axis.scale for axis in axes] == [True, False, False]
    assert len(points(axes)) == 12
    assert points(axes)[11].settings() == {"a.x": 10, "a.y": "two", "b.z": ["a,b"]}
    assert neighbours(axes, (1, 0, 0)) == [(0, 0, 0), (2, 0, 0)]
    assert neighbours(axes, (2, 1, 1)) == [(1, 1, 1)]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([], "at least once"),
        (["a.x"], "expected BOT.KEY=VALUE"),
        (["a=1"], "expected BOT.KEY=VALUE"),
        (["a.x=1,,2"], "expected BOT.KEY=VALUE"),
        (["a.x=1,1"], "each value once"),
        (["a.x=1", "a.x=2"], "found it twice"),
    ],
)
def test_wrong_grids_are_refused(texts: Sequence[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_axes(texts)


# -- ranks and warnings -----------------------------------------------------------------------


@dataclass
class Told:
    """An executor with figures of its own; it hands them over last point first."""

    ratios: Mapping[tuple[int, ...], float | None]
    later: float = 1.0
    gain: Mapping[tuple[int, ...], float] | None = None

    def run(self, job: Job, tasks: Sequence[Point]) -> Generator[Outcome, None, None]:
        for point in reversed(tasks):
            gain = (self.gain or {}).get(point.places, 0.0)
            inside = {"sharpe": self.ratios[point.places], "total_return": gain}
            outside = None if job.split_ms is None else {"sharpe": self.later}
            yield Outcome(point, inside, outside)


def job(folder: Path) -> Job:
    changes = (("shortseller", "ema_slow", "60"),)
    request = Request(("shortseller",), folder, changes=changes)
    return Job(load(None, {}, {}), (resources.plugins_folder(),), {}, request)


def swept(folder: Path, told: Told, *, split: float = 1.0) -> Swept:
    axes = parse_axes([f"{FAST}=10,20,30", f"{SLOW}=4,5,6"])
    return sweep(job(folder), axes, told, split=split)


def grid_of(*ratios: float | None) -> dict[tuple[int, ...], float | None]:
    return {(number // 3, number % 3): ratio for number, ratio in enumerate(ratios)}


def test_ranks_go_by_sharpe_then_return_and_points_without_trades_last(data: Path) -> None:
    told = Told(
        grid_of(1.0, 2.0, None, 2.0, 0.5, -1.0, 0.0, 0.1, 0.2),
        gain={(0, 1): 0.1, (1, 0): 0.3},
    )
    found = [one.point.places for one in swept(data, told).ranked]
    assert found[:3] == [(1, 0), (0, 1), (0, 0)]
    assert found[-2:] == [(1, 2), (0, 2)]


@pytest.mark.parametrize(
    ("ratios", "is_isolated"),
    [
        ((0, 0.9, 0, 0.9, 2.0, 0.9, 0, 0.9, 0), True),
        ((0, 0.9, 0, 0.9, 2.0, 1.1, 0, 0.9, 0), False),
        ((1.9, 0, 1.9, 0, 2.0, 0, 1.9, 0, 1.9), True),  # corners are two steps away
        ((3.0, 1.4, 0, None, 0, 0, 0, 0, 0), True),
        ((3.0, 1.6, 0, None, 0, 0, 0, 0, 0), False),
    ],
)
def test_an_isolated_peak_is_warned_of(
    data: Path, ratios: Sequence[float | None], is_isolated: bool
) -> None:
    warnings = swept(data, Told(grid_of(*ratios))).warnings
    assert bool(warnings) is is_isolated
    assert all("isolated peak" in one for one in warnings)


def test_losses_and_what_does_not_last_are_warned_of(data: Path) -> None:
    assert "no point earned" in swept(data, Told(grid_of(*[-1.0] * 9))).warnings[0]
    lasting = swept(data, Told(grid_of(*[1.0] * 9), later=0.6), split=0.7)
    assert not lasting.warnings and lasting.split_ms is not None
    gone = swept(data, Told(grid_of(*[1.0] * 9), later=0.4), split=0.7)
    assert "does not last: its Sharpe ratio is 1.00 in sample, 0.40" in gone.warnings[0]


# -- the command ------------------------------------------------------------------------------


def test_each_point_is_the_backtest_of_its_settings(data: Path, tmp_path: Path) -> None:
    grid = ("--grid", f"{FAST}=12,24", "--grid", f"{SLOW}=6,24")
    found = document(data, tmp_path, *grid, "--jobs", "2", "--split", "0.9")
    assert found["ranked_by"] == ["sharpe", "total_return"]
    assert found["grid"] == {FAST: [12, 24], SLOW: [6, 24]}
    at = figures(found["split"])["at"]
    ranked = rows(found["points"])
    assert [one["rank"] for one in ranked] == [1, 2, 3, 4]
    for part, window in (("in_sample", "--to"), ("out_of_sample", "--from")):
        for one in (ranked[0], ranked[-1]):
            file = tmp_path / "one.json"
            sets = [f"--set={key}={value}" for key, value in figures(one["settings"]).items()]
            arguments = ["backtest", "--bots", "shortseller", "--data", str(data), *QUICK[2:]]
            assert main([*arguments, *sets, window, str(at), "--json", str(file)]) == 0
            alone = json.loads(file.read_text())["metrics"]
            swept_figures = figures(one[part])
            assert swept_figures == {key: alone[key] for key in swept_figures}
            assert swept_figures["trades"], part
    by_one = document(data, tmp_path, *grid, "--jobs", "1", "--split", "0.9")
    assert by_one == found


def test_a_terminal_gets_a_ranking_and_a_heat_map(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data, "--grid", f"{FAST}=12,24", "--grid", f"{SLOW}=6,24", "--split", "1") == 0
    shown = capsys.readouterr()
    assert "Ranked by Sharpe ratio, then return." in shown.out
    assert f"{FAST} down, {SLOW} across" in shown.out
    assert "…" not in shown.out


def test_prices_of_the_account_can_be_swept(data: Path, tmp_path: Path) -> None:
    found = document(data, tmp_path, "--grid", "backtest.slippage_bps=0,5", "--split", "1")
    assert found["split"] is None
    by_slippage = {
        figures(one["settings"])["backtest.slippage_bps"]: figures(one["in_sample"])["net_pnl"]
        for one in rows(found["points"])
    }
    assert by_slippage[0] != by_slippage[5]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--grid", "shortseller.cooldwn_bars=3,4"), 4, "the nearest is 'cooldown_bars'"),
        (("--grid", "shortsell.cooldown_bars=3,4"), 2, "the nearest is 'shortseller'"),
        (("--grid", "shortseller.cooldown_bars=3,many"), 4, "cooldown_bars: expected"),
        (("--grid", "shortseller.ema_slow=30,40"), 4, "found it in both"),
        (("--grid", "backtest.slipage=1,2"), 4, "the nearest is 'slippage_bps'"),
        (("--grid", "cooldown"), 2, "expected BOT.KEY=VALUE"),
        (("--grid", f"{SLOW}=3,4", "--split", "0"), 2, "--split above 0"),
        (("--grid", f"{SLOW}=3,4", "--jobs", "0"), 2, "--jobs"),
        (("--grid", f"{SLOW}=3,4", "--from", "soon"), 2, "'--from': expected a UTC time like"),
        (("--grid", f"{SLOW}=3,4", "--to", "25:00"), 2, "'--to': expected a UTC time like"),
        ((), 2, "--grid"),
    ],
)
def test_wrong_options_are_named(
    data: Path,
    options: Sequence[str],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(data, *options) == code
    said = capsys.readouterr().err
    assert words in " ".join(said.split())
    assert "Traceback" not in said


PLUGIN = """
import os, time
from alpha.bots import Plugin, PluginSettings, Subscription, hookimpl
class Settings(PluginSettings):
    low: int = 1
    high: int = 2
    act: str = ""
    pids: str = ""
class Odd:
    def __init__(self, settings):
        if settings.low > settings.high:
            from alpha.errors import ConfigError
            raise ConfigError("expected low below high")
        self.settings = settings
    @hookimpl
    def subscriptions(self): return [Subscription('SOLUSDT', 300000, 1)]
    @hookimpl
    def on_close(self, close_ms):
        if self.settings.act == "raise": return 1 / 0
        if self.settings.act == "die": os._exit(9)
        if self.settings.act == "wait":
            open(f"{self.settings.pids}/{os.getpid()}", "w").close()
            time.sleep(600)
plugin = Plugin(name='odd', alpha_api='1', strategy=Odd, settings=Settings)
"""


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A config with a plugin that does what `act` says."""
    package = tmp_path / "plugins" / "odd"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PLUGIN)
    config = tmp_path / "odd.toml"
    config.write_text(f'plugins_dir = "{package.parent}"\n')
    return config


def run_odd(folder: Path, config: Path, *options: str) -> int:
    arguments = ["sweep", "--bots", "odd", "--data", str(folder), "--config", str(config)]
    return main([*arguments, "--jobs", "2", *options])


def test_sets_that_do_not_go_together_are_left_out(
    data: Path, odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "found.json"
    grid = ("--grid", "odd.low=1,3", "--grid", "odd.high=2,4", "--json", str(file))
    assert run_odd(data, odd, *grid) == 0
    found = json.loads(file.read_text())
    assert [one["settings"] for one in found["left_out"]] == [{"odd.low": 3, "odd.high": 2}]
    assert len(found["points"]) == 3
    assert "odd.low=3 odd.high=2 left out: expected low below high" in capsys.readouterr().err


def test_points_without_candles_or_warm_up_are_left_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = ("--grid", 'shortseller.symbols=XRPUSDT,["BTCUSDT","SOLUSDT"]')
    found = document(data, tmp_path, *grid, "--split", "0.9")
    assert len(rows(found["points"])) == 1
    assert "expected candles of XRPUSDT" in str(rows(found["left_out"])[0]["why"])
    capsys.readouterr()
    # 0.7 of the bars are too few to warm up; the code is that of the first reason.
    assert run(data, *grid) == 2
    said = capsys.readouterr().err
    assert "no point could be run" in said and "candles of XRPUSDT" in said
    assert "expected at least 3000 bars of 5m" in said


def test_faulty_candles_are_named_with_file_and_line(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "bybit-linear-BTCUSDT-5m.csv.gz").unlink()
    path = data / "BTCUSDT-5m.csv"
    path.write_text("start_ms,open,high,low,close,volume\n0,1,2,1,1,1\n0,1,2,1,1,1\n")
    assert run(data, "--grid", f"{SLOW}=3,4") == 1
    assert "BTCUSDT-5m.csv:3: " in capsys.readouterr().err


def test_a_plugin_that_raises_shows_its_traceback_and_the_point(
    data: Path, odd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_odd(data, odd, "--grid", "odd.act=none,raise") == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said and "Traceback" in said
    assert "alpha: odd.act=raise: " in said and "SOLUSDT" in said


def test_a_worker_that_dies_is_told_of(data: Path, odd: Path) -> None:
    config = load(odd, {}, {})
    folder = config.plugins_dir
    assert folder is not None
    one = Job(config, (folder,), {}, Request(("odd",), data))
    with pytest.raises(SweepFailed, match=r"odd.act=die: .* ended with 9; was there enough"):
        sweep(one, parse_axes(["odd.act=none,die,fine"]), Processes(1))


def test_ray_without_its_package_names_what_installs_it(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With it: tests/scale."""
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "alpha.backtest.cluster", raising=False)
    assert run(data, "--grid", f"{SLOW}=3,4", "--ray", "auto") == 2
    assert "pip install 'alpha[ray]'" in capsys.readouterr().err


def test_ctrl_c_ends_the_workers(data: Path, odd: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    command = [sys.executable, "-m", "alpha", "sweep", "--bots", "odd", "--data", str(data)]
    options = ["--config", str(odd), "--jobs", "2", "--set", "odd.act=wait"]
    running = subprocess.Popen(
        [*command, *options, "--set", f"odd.pids={pids}", "--grid", "odd.low=0,1,2"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What a shell starts in the background ignores Ctrl-C, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        for _ in range(1200):
            if len(list(pids.iterdir())) == 2:
                break
            time.sleep(0.05)
        found = [int(path.name) for path in pids.iterdir()]
        assert len(found) == 2
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: all of the group
        _, said = running.communicate(timeout=20)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()  # else its pipe and process are found in another test
    assert running.returncode == 1
    assert "stopped before it was done" in said and "Traceback" not in said
    for pid in found:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
