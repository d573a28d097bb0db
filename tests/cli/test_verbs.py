"""Commands from the outside: what they print, where, and with which exit code."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from alpha import __version__
from alpha.cli import main
from alpha.config.options import parse_span, process_started
from alpha.errors import TimedOut

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in a folder of its own; code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("ALPHA_", "POSTGRES_", "REDIS_", "BYBIT_", "C2_")):
            monkeypatch.delenv(name)
    # The guard forks, and the daemon would be a second process of these tests.
    monkeypatch.setattr("alpha.guard.is_wanted", lambda environment: False)

    def run(*arguments: str, file: str | None = None) -> tuple[int, str, str]:
        if file is not None:
            (tmp_path / "config.toml").write_text(file, encoding="utf-8")
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def one_line(error: str) -> str:
    """Errors are one line that starts with the program's name."""
    assert error.startswith("alpha: ") and error.count("\n") == 1 and error.endswith("\n"), error
    assert "Traceback" not in error
    return error


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"alpha {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fly"], "No such command 'fly'"),
        (["status", "--jsno"], "--json"),
        (["run", "--for", "fast"], "a time such as 60s, 5m or 1h, found 'fast'"),
        (["run", "--for", "0s"], "found '0s'"),
        (["run", "--bots", "nobody"], "lxalgo, momentum, shortseller), found 'nobody'"),
        (["run", "--bots", ""], "--bots a,b or --bots none"),
        (["run", "--report", "."], "expected a file to write, found a folder"),
        (["run", "--report", "nowhere/r.json"], "a folder that exists, found nowhere/r.json"),
        (["bots", "stop", "nobody"], "found 'nobody'"),
        (["bots", "stop"], "Missing argument"),
        (["fills", "--limit", "0"], "limit: expected a whole number from 1 to 100000, found '0'"),
        (["orders", "--limit", "few"], "found 'few'"),
        (["analytics", "--days", "91"], "days: expected a whole number from 1 to 90, found '91'"),
    ],
)
def test_usage_and_unknown_names_are_2(run: Run, arguments: list[str], words: str) -> None:
    code, out, error = run(*arguments)
    assert (code, out) == (2, "")
    assert words in one_line(error)


@pytest.mark.parametrize(
    ("file", "arguments", "words"),
    [
        ("[paper]\nsped = 1\n", ["config", "check"], "config.toml:2: unknown key 'sped'"),
        ("[paper]\nspeed = 'x'\n", ["status"], "paper.speed: expected a number"),
        ("", ["status", "--config", "nowhere.toml"], "nowhere.toml"),
        ("", ["config", "check", "--mode", "lvie"], "'live', found the text 'lvie'"),
        (
            "[bots.first]\nenabled = true\n",
            ["config", "check", "--mode", "demo"],
            "expected api_key and api_secret in mode demo for bot 'first', found none",
        ),
        ("", ["run", "--mode", "live"], "live.enabled = false"),
        (
            "[bots.shortseller]\nenabled = true\nsettings = { profil = 'reference' }\n",
            ["config", "check"],
            "bot shortseller: unknown setting 'profil'; the nearest is 'profile'",
        ),
        ("[paper]\nspeed = nan\n", ["config", "check"], "expected a finite number, found NaN"),
        ("data_dir = 'config.toml/x'\n", ["run"], "a data_dir that this user can write"),
        ("[live]\nenabled = true\n", ["run", "--mode", "live"], "found no --live"),
        (
            "[exchange]\nrest_url = 'https://api.bybit.com'\n",
            ["run"],
            "mode paper accepts only loopback or private hosts",
        ),
        ("mode = 'demo'\n[bots.a]\nenabled = true\n", ["run"], "api_key and api_secret"),
        ("mode = 'demo'\n", ["paper", "reset", "--mode"], ""),
    ],
)
def test_wrong_settings_are_4(run: Run, file: str, arguments: list[str], words: str) -> None:
    code, out, error = run(*arguments, file=file)
    assert (code, out) == (2 if not words else 4, "")
    assert words in one_line(error)


def test_a_plugin_that_nobody_has_is_2(run: Run) -> None:
    code, out, error = run("config", "check", file="[bots.first]\nenabled = true\n")
    assert (code, out) == (2, "")
    assert "unknown plugin 'first'; known are" in one_line(error)


def test_acting_without_a_daemon_is_3(run: Run) -> None:
    for verb in ("start", "stop"):
        code, out, error = run("bots", verb, "shortseller")
        assert (code, out) == (3, "")
        assert "expected a running daemon" in one_line(error)


def test_no_daemon_and_no_database_is_5(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alpha.control.databases.READER_WAIT_S", 0.2)
    file = "[postgres]\nurl = 'postgresql://me:hush@127.0.0.1:1/books'\n"
    code, out, error = run("status", "--json", file=file)
    assert (code, out) == (5, "")
    assert "found neither" in one_line(error) and "127.0.0.1:1" in error and "hush" not in error


def test_readers_answer_from_the_database(run: Run, postgres_dsn: str) -> None:
    file = f"[postgres]\nurl = '{postgres_dsn}'\n[bots.first]\n"
    for verb in ("positions", "orders", "fills"):
        code, out, _ = run(verb, "--json", file=file)
        assert code == 0
        assert json.loads(out) == {"source": "database", "data_age_s": None, verb: []}
    code, out, _ = run("bots", "list", "--json")
    (bot,) = json.loads(out)["bots"]
    assert (bot["name"], bot["bot_id"], bot["state"]) == ("first", "first", "disabled")
    code, out, _ = run("status")
    assert code == 0 and "no daemon runs; from the database" in out


def test_config_show_and_check(run: Run) -> None:
    file = "[accounts.main]\napi_key = 'kkkk'\napi_secret = 'ssss'\n[bots.first]\nenabled = true\n"
    file += "plugin = 'shortseller'\n"
    code, out, _ = run("config", "show", "--origin", file=file)
    assert code == 0
    assert 'accounts.main.api_key = "********"' in out and "# config.toml:2" in out
    assert "kkkk" not in out and "ssss" not in out
    code, out, _ = run("config", "show", "--origin", "--json", "--mode", "paper")
    assert json.loads(out)["mode"] == {"value": '"paper"', "origin": "command line"}
    assert run("config", "check")[1].startswith("ok: mode paper, bots first")


def test_help_is_quick_and_names_every_verb() -> None:
    started = time.perf_counter()
    found = subprocess.run(
        [sys.executable, "-m", "alpha", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    # 0.1 s on an idle machine; the bound is wide because tests share it with others.
    assert time.perf_counter() - started < 2
    for verb in ("run", "sim", "inspect", "bots", "status", "ledger", "config", "db", "paper"):
        assert f"\n  {verb} " in found.stdout


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from alpha.cli import main; main(['--help']); "
        "print([m for m in ('asyncpg', 'aiohttp', 'telegram', 'redis', 'pydantic', 'uvloop') "
        "if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("5m", 300), ("1h", 3600)])
def test_spans(text: str, seconds: int) -> None:
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["60", "s", "1.5h", "-5s", "1d", "", "0m"])
def test_bad_spans(text: str) -> None:
    with pytest.raises(ValueError, match="60s, 5m or 1h"):
        parse_span(text)


def test_a_run_is_counted_from_the_start_of_the_process() -> None:
    code = (
        "import subprocess\n"
        "from alpha.clock import SystemClock\n"
        "from alpha.config.options import process_started\n"
        "subprocess.run(['sleep', '0.3'])\n"
        "clock = SystemClock()\n"
        "print(clock.monotonic() - process_started(clock))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert 0.3 <= float(found.stdout) < 10
    assert callable(process_started)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x.dump"), 1, "room on the disk for x"),
        (asyncpg.DiskFullError("could not extend file"), 1, "room on the disk of PostgreSQL"),
        (asyncpg.CrashShutdownError("terminating"), 5, "PostgreSQL to answer to the end"),
        (TimeoutError(), 5, "an answer in time"),
        (ValueError("ours"), 1, "internal error: ValueError: ours"),
    ],
)
def test_what_goes_wrong_outside_is_no_internal_error(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, words: str
) -> None:
    async def fails(*_: object) -> dict[str, object]:
        raise error

    monkeypatch.setattr("alpha.cli.backup._verify", fails)
    ended, _, said = run("backup", "verify")
    assert (ended, said.count("\n")) == (code, 1)
    assert words in said


def test_the_cause_is_told_and_not_what_follows(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> dict[str, object]:
        try:
            raise TimedOut("put aside still") from asyncpg.ConnectionDoesNotExistError("gone")
        finally:
            raise asyncpg.InterfaceError("cannot call it: the underlying connection is closed")

    monkeypatch.setattr("alpha.cli.backup._verify", fails)
    assert run("backup", "verify") == (5, "", "alpha: put aside still\n")
