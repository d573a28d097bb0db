"""What other machines get of a sweep, and how they tell that their code is another."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from alpha import resources
from alpha.backtest.fingerprint import PYTHON, difference, fingerprint
from alpha.backtest.grid import Point, parse_axes, points
from alpha.backtest.parcel import packed
from alpha.backtest.setup import Request
from alpha.backtest.sweep import Job, Outcome, Worker
from alpha.backtest.tape import Folder
from alpha.candles.files import CandleError
from alpha.config import load
from tests.backtest.test_command import data
from tests.conftest import ROOT

__all__ = ["data"]  # a fixture

PLUGIN = """
from pathlib import Path
from alpha.bots import Plugin, PluginSettings, Subscription, hookimpl
from .levels import LOW
class Settings(PluginSettings):
    symbol: str = "SOLUSDT"
class Odd:
    def __init__(self, settings): self.settings = settings
    @hookimpl
    def subscriptions(self):
        assert (Path(__file__).parent / "model.json").read_text() == str(LOW)
        return [Subscription(self.settings.symbol, 300000, 1)]
plugin = Plugin(name="odd", alpha_api="1", strategy=Odd, settings=Settings)
"""


@pytest.fixture
def job(data: Path, tmp_path: Path) -> Job:
    package = tmp_path / "plugins" / "odd"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__pycache__" / "odd.pyc").write_bytes(b"compiled")
    (package / "__init__.py").write_text(PLUGIN)
    (package / "levels.py").write_text("LOW = 7")
    (package / "model.json").write_text("7")
    config = tmp_path / "config.toml"
    config.write_text(
        '[accounts.main]\napi_key = "Key-7"\napi_secret = "Secret-7"\nnetting = true\n'
    )
    folders = (resources.plugins_folder(), package.parent)
    return Job(load(config, {}, {}), folders, {}, Request(("odd",), data))


def tasks() -> list[Point]:
    return points(parse_axes(["odd.symbol=SOLUSDT,XRPUSDT,BTCUSDT"]))


def outcomes(worker: Worker) -> list[Outcome]:
    return [worker.run(point) for point in tasks()]


def test_a_parcel_needs_neither_the_candles_nor_the_plugins_of_its_sender(
    job: Job, data: Path, tmp_path: Path
) -> None:
    (data / "bybit-linear-BTCUSDT-5m.csv.gz").unlink()
    (data / "BTCUSDT-5m.csv").write_text("start_ms,open,high,low,close,volume\n0,1,2,1,1,x\n")
    here = outcomes(Worker(job))
    assert [one.inside is not None for one in here] == [True, False, False]
    assert "candles of XRPUSDT" in here[1].why and "BTCUSDT-5m.csv:2: " in here[2].why
    sent = pickle.dumps(packed(job, tasks()))
    for folder in (data, tmp_path / "plugins"):
        folder.rename(folder.with_name(f"{folder.name} elsewhere"))
    there = pickle.loads(sent).unpacked(tmp_path / "unpacked")
    assert outcomes(there) == here
    found = {path.name for path in (tmp_path / "unpacked").rglob("*.*")}
    assert found >= {"__init__.py", "levels.py", "model.json"} and "odd.pyc" not in found


def test_no_secret_goes_along(job: Job) -> None:
    assert job.config.accounts["main"].api_secret.get_secret_value() == "Secret-7"
    parcel = packed(job, tasks())
    assert b"Secret-7" in pickle.dumps(job) and b"Secret-7" not in pickle.dumps(parcel)
    assert b"Key-7" not in pickle.dumps(parcel)
    assert parcel.job.config.accounts["main"].netting


def test_an_error_of_a_file_is_raised_as_often_as_it_is_read(data: Path) -> None:
    (data / "instruments.json").write_text("{")
    folder = Folder(data)
    for _ in range(2):
        with pytest.raises(CandleError, match=r"instruments.json:1: expected JSON"):
            folder.rules()


def test_a_fingerprint_has_all_code_that_counts() -> None:
    found = fingerprint(["shortseller"])
    ours = {path.relative_to(ROOT).as_posix() for path in (ROOT / "alpha").rglob("*.py")}
    assert set(found) - {PYTHON} == ours
    assert found == fingerprint([])


def test_differences_are_named() -> None:
    here = {PYTHON: "3.11", "alpha/a.py": "1", "alpha/b.py": "2", "alpha/c.py": "3"}
    assert difference(here, here) == ""
    there = {PYTHON: "3.12", "alpha/a.py": "9", "alpha/c.py": "3", "plugin x: x.py": "4"}
    assert difference(here, there) == (
        "expected Python 3.11, found 3.12; alpha/a.py differs; alpha/b.py is missing there; "
        "and 1 more"
    )
