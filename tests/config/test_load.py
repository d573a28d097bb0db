"""Settings: sources, precedence, origins, and one clear line for everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.config import Config, load
from alpha.config.show import shown
from alpha.errors import ConfigError

ROOT = Path(__file__).parents[2]


class Made:
    """A config file in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "alpha.toml"
        self.folder = folder

    def load(
        self,
        text: str = "",
        env: Mapping[str, str] | None = None,
        overrides: Mapping[str, object] | None = None,
    ) -> Config:
        self.path.write_text(text, encoding="utf-8")
        return load(self.path, env or {}, overrides or {})

    def refused(
        self,
        text: str = "",
        env: Mapping[str, str] | None = None,
        overrides: Mapping[str, object] | None = None,
    ) -> str:
        with pytest.raises(ConfigError) as caught:
            self.load(text, env, overrides)
        assert caught.value.exit_code == 4
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(str(self.path), "FILE")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


# ---- what is shipped ------------------------------------------------------------------------


def test_the_shipped_file_runs_three_bots_on_accounts_of_their_own() -> None:
    config = load(ROOT / "config.toml", {}, {})
    assert config.mode == "paper"
    assert {
        name: (bot.plugin, bot.bot_id, bot.account, bot.redis_db)
        for name, bot in config.enabled_bots.items()
    } == {
        "shortseller": ("shortseller", "shortseller_001", "main", 0),
        "lxalgo": ("lxalgo", "lxalgo_001", "lxalgo", 1),
        "momentum": ("momentum", "momentum_001", "momentum", 2),
    }
    assert set(config.accounts) == {"main", "lxalgo", "momentum"}
    assert config.paper.speed == 600 and config.paper.seed == 1
    assert config.paper.balance == 10000 and config.paper.leverage == 10


def test_without_a_file_here_the_shipped_one_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(None, {}, {})
    assert "shortseller" in config.bots
    assert config.origins["mode"].startswith("packaged config.toml:")
    assert config.data_dir == tmp_path / ".alpha"
    (tmp_path / "config.toml").write_text("[paper]\nseed = 7\n", encoding="utf-8")
    config = load(None, {}, {})
    assert config.paper.seed == 7 and not config.bots
    assert config.origins["paper.seed"] == "config.toml:2"


# ---- precedence and origins -----------------------------------------------------------------


def test_each_source_beats_the_one_below(made: Made) -> None:
    text = "[paper]\nseed = 2\nspeed = 60\nbalance = 500\n"
    env = {"ALPHA__PAPER__SEED": "3", "ALPHA__PAPER__SPEED": "120.5"}
    config = made.load(text, env, {"paper.seed": 4})
    assert config.paper.seed == 4
    assert config.paper.speed == Decimal("120.5")
    assert config.paper.balance == 500
    assert config.origins["paper.seed"] == "command line"
    assert config.origins["paper.speed"] == "environment ALPHA__PAPER__SPEED"
    assert config.origins["paper.balance"] == f"{made.path}:4"
    assert config.origins["paper.feed"] == "default"


def test_environment_reaches_bots_settings_and_lists(made: Made) -> None:
    text = "[bots.shortseller]\n[bots.shortseller.settings]\nmax_hold_hours = 24\n"
    env = {
        "ALPHA__BOTS__SHORTSELLER__ENABLED": "true",
        "ALPHA__BOTS__SHORTSELLER__SETTINGS__MAX_HOLD_HOURS": "12",
        "ALPHA__BOTS__SHORTSELLER__SETTINGS__SYMBOLS": '["BTCUSDT", "ETHUSDT"]',
        "ALPHA__BOTS__SHORTSELLER__SETTINGS__PROFILE": "demo",
        "ALPHA__BOTS__SECOND__PLUGIN": "shortseller",
        "ALPHA__TELEGRAM__ADMIN_IDS": "1, 22",
    }
    config = made.load(text, env)
    bot = config.bots["shortseller"]
    assert bot.enabled
    assert bot.settings == {
        "max_hold_hours": 12,
        "symbols": ["BTCUSDT", "ETHUSDT"],
        "profile": "demo",
    }
    assert config.bots["second"].plugin == "shortseller"
    assert config.telegram.admin_ids == (1, 22)


def test_every_value_has_an_origin(made: Made) -> None:
    config = made.load("[bots.one]\nenabled = true\n")
    for key, _, origin in shown(config):
        assert config.origins[key] == origin and origin


def test_numbers_stay_exact(made: Made) -> None:
    config = made.load("[paper]\nbalance = 10000.10\n[bots.a]\ncapital = 0.1\n")
    assert config.paper.balance == Decimal("10000.10")
    assert config.bots["a"].capital == Decimal("0.1")


def test_settings_of_plugins_have_toml_types(made: Made) -> None:
    text = "[bots.a.settings]\nratio = 0.5\nlevels = { BTC = [1.5, 2] }\n"
    settings = made.load(text).bots["a"].settings
    assert settings == {"ratio": 0.5, "levels": {"BTC": [1.5, 2]}}
    assert isinstance(settings["ratio"], float)


# ---- what is wrong says so ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\nmoode = 'paper'\n", ["FILE:2", "unknown key 'moode'", "'mode'"]),
        (
            "[bots.shortseller]\nenabeld = true\n",
            ["FILE:2", "'enabeld'", "[bots.shortseller]", "'bots.shortseller.enabled'"],
        ),
        ("[exchnage]\nrest_url = ''\n", ["FILE:1", "'exchnage'", "'exchange'"]),
        ("balance = 5\n", ["FILE:1", "'balance'", "'paper.balance'"]),
        ("[paper]\nspeed = 'fast'\n", ["FILE:2", "paper.speed", "a number", "the text 'fast'"]),
        ("[paper]\nseed = 1.5\n", ["FILE:2", "paper.seed", "a whole number", "1.5"]),
        ("[paper]\nseed = true\n", ["FILE:2", "paper.seed", "a whole number", "true"]),
        ("[bots.a]\nenabled = 1\n", ["FILE:2", "bots.a.enabled", "true or false", "1"]),
        ("[bots.a]\nenabled = 'yes'\n", ["true or false", "the text 'yes'"]),
        ("mode = 'papre'\n", ["FILE:1", "mode", "'paper'", "'live'", "the text 'papre'"]),
        ("[paper]\nspeed = 0\n", ["paper.speed", "more than 0", "found 0"]),
        ("[paper]\nstart = 'monday'\n", ["paper.start", "ISO 8601", "'monday'"]),
        ("bots = 3\n", ["FILE:1", "bots", "a table", "found 3"]),
        ("[bots]\nshortseller = true\n", ["bots.shortseller", "a table", "found true"]),
        ("mode = \n", ["FILE", "valid TOML"]),
        ("[bots.a]\nbot_id = 'manual'\n", ["bots.a.bot_id", "manual"]),
        ("[bots.a]\nbot_id = 'With-Dash'\n", ["bots.a.bot_id", "a-z", "'With-Dash'"]),
        ("[bots.a]\nbot_id = 'a23456789012345678901'\n", ["1 to 20"]),
        ("[bots.a]\nbot_id='x'\n[bots.b]\nbot_id='x'\n", ["bots.b.bot_id", "'x'", "bot 'a'"]),
        ("[paper]\nfeed = 'replay'\n", ["paper.data", "folder of CSV candles"]),
        ("[accounts.main]\napi_key = 'k'\n", ["accounts.main", "found only api_key"]),
    ],
)
def test_bad_files(made: Made, text: str, words: list[str]) -> None:
    message = made.refused(text)
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"ALPHA__PAPR__SEED": "1"}, ["ALPHA__PAPR__SEED", "unknown key 'papr'", "'paper'"]),
        ({"ALPHA__PAPER__SEDE": "1"}, ["'paper.sede'", "'paper.seed'"]),
        ({"ALPHA__PAPER__SEED": "one"}, ["ALPHA__PAPER__SEED", "a whole number", "'one'"]),
        ({"ALPHA__PAPER__SPEED": "nan"}, ["a number", "'nan'"]),
        ({"ALPHA__PAPER": "1"}, ["ALPHA__PAPER", "the name of one key"]),
        ({"ALPHA__BOTS__A": "1"}, ["the name of one key"]),
        ({"BYBIT_DEMO": "true", "BYBIT_TESTNET": "true"}, ["BYBIT_DEMO or BYBIT_TESTNET", "both"]),
        ({"BYBIT_DEMO": "maybe"}, ["BYBIT_DEMO", "true or false", "'maybe'"]),
        ({"C2_TELEGRAM_ADMIN_IDS": "1,me"}, ["C2_TELEGRAM_ADMIN_IDS", "numbers", "'1,me'"]),
        ({"POSTGRES_HOST": "db", "POSTGRES_PORT": "x"}, ["POSTGRES_PORT", "a port", "'x'"]),
        ({"A_BYBIT_API_KEY": "k"}, ["A_BYBIT_API_SECRET"]),
        ({"A_BYBIT_API_SECRET": "k"}, ["A_BYBIT_API_KEY"]),
    ],
)
def test_bad_environment(made: Made, env: dict[str, str], words: list[str]) -> None:
    message = made.refused("[bots.a]\n", env)
    for word in words:
        assert word in message, message


def test_a_missing_file_says_which(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config file at .*nowhere\.toml, found none"):
        load(tmp_path / "nowhere.toml", {}, {})


# ---- secrets --------------------------------------------------------------------------------


def test_secrets_come_from_files_and_are_masked(made: Made) -> None:
    (made.folder / "key").write_text("the-key\n", encoding="utf-8")
    (made.folder / "secret").write_text("the-secret\n", encoding="utf-8")
    (made.folder / "token").write_text("123456:the-token", encoding="utf-8")
    text = f"[accounts.main]\napi_key_file = '{made.folder}/key'\napi_secret = 'the-secret'\n"
    env = {
        "ALPHA__TELEGRAM__TOKEN_FILE": f"{made.folder}/token",
        "ALPHA__POSTGRES__URL": "postgresql://me:the-password@db.example:5432/books",
    }
    config = made.load(text, env)
    account = config.accounts["main"]
    assert account.api_key.get_secret_value() == "the-key"
    assert config.telegram.token.get_secret_value() == "123456:the-token"
    assert config.origins["accounts.main.api_key"] == f"{made.path}:2 -> {made.folder}/key"
    printed = "\n".join(" ".join(row) for row in shown(config)) + repr(config) + str(config)
    for secret in ("the-key", "the-secret", "the-token", "the-password"):
        assert secret not in printed
    assert "postgresql://me:********@db.example:5432/books" in printed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[accounts.main]\napi_key_file = '/nowhere/key'\n", ["FILE:2", "/nowhere/key"]),
        ("[accounts.main]\napi_key_file = 3\n", ["api_key_file", "path of a file", "3"]),
        (
            "[accounts.main]\napi_key = 'sekret'\napi_key_file = '/k'\n",
            ["api_key or api_key_file", "both"],
        ),
        ("[accounts.main]\napi_key = 5\n", ["accounts.main.api_key"]),
        ("[telegram]\nbase_url_file = 'x'\n", ["unknown key 'base_url_file'"]),
    ],
)
def test_bad_secrets(made: Made, text: str, words: list[str]) -> None:
    message = made.refused(text)
    for word in words:
        assert word in message, message
    assert "sekret" not in message


def test_an_empty_secret_file_is_refused(made: Made) -> None:
    empty = made.folder / "empty"
    empty.write_text("\n", encoding="utf-8")
    message = made.refused(f"[redis]\nurl_file = '{empty}'\n")
    assert "empty file" in message


# ---- the earlier names ----------------------------------------------------------------------


def test_postgres_and_redis_by_their_earlier_names(made: Made) -> None:
    env = {
        "POSTGRES_HOST": "pgbouncer",
        "POSTGRES_PORT": "6432",
        "POSTGRES_DB": "trading_db",
        "POSTGRES_USER": "trading_user",
        "POSTGRES_PASSWORD": "p@ss/word",
        "REDIS_HOST": "cache",
        "REDIS_PORT": "6380",
        "REDIS_PASSWORD": "hush",
        "REDIS_DB": "3",
    }
    config = made.load("", env)
    url = config.postgres.url.get_secret_value()
    assert url == "postgresql://trading_user:p%40ss%2Fword@pgbouncer:6432/trading_db"
    assert config.redis.url.get_secret_value() == "redis://:hush@cache:6380/3"
    assert "POSTGRES_PASSWORD" in config.origins["postgres.url"]


def test_alpha_names_beat_earlier_names(made: Made) -> None:
    env = {"POSTGRES_HOST": "old", "ALPHA__POSTGRES__URL": "postgresql://new/db"}
    assert made.load("", env).postgres.url.get_secret_value() == "postgresql://new/db"


def test_a_password_alone_completes_the_url_of_the_file(made: Made) -> None:
    (made.folder / "pw").write_text("hush\n", encoding="utf-8")
    text = "[postgres]\nurl = 'postgresql://me@db:5433/books?sslmode=require'\n"
    config = made.load(text, {"POSTGRES_PASSWORD_FILE": f"{made.folder}/pw"})
    url = config.postgres.url.get_secret_value()
    assert url == "postgresql://me:hush@db:5433/books?sslmode=require"


def test_a_password_for_no_server_is_noted_and_not_used(made: Made) -> None:
    config = made.load("", {"POSTGRES_PASSWORD": "hush"})
    assert config.postgres.url.get_secret_value() == ""
    assert config.notes == (
        "POSTGRES_PASSWORD: not used, since neither POSTGRES_HOST nor a url is set",
    )


def test_a_bot_token_that_nobody_may_talk_to_is_noted(made: Made) -> None:
    token = {"C2_TELEGRAM_BOT_TOKEN": "1:secret"}
    (note,) = made.load("", token).notes
    assert note.startswith("telegram.admin_ids: none are set") and "secret" not in note
    assert made.load("", {**token, "C2_TELEGRAM_ADMIN_IDS": "42"}).notes == ()


@pytest.mark.parametrize(
    ("env", "mode"),
    [
        ({"BYBIT_DEMO": "true"}, "demo"),
        ({"BYBIT_TESTNET": "1"}, "testnet"),
        ({"BYBIT_DEMO": "false", "BYBIT_TESTNET": "false"}, "paper"),
        ({"BYBIT_DEMO": ""}, "paper"),
        ({"BYBIT_DEMO": "true", "ALPHA__MODE": "paper"}, "paper"),
    ],
)
def test_flags_choose_a_mode_and_never_live(made: Made, env: dict[str, str], mode: str) -> None:
    assert made.load("", env).mode == mode


def test_a_bots_key_makes_its_account(made: Made) -> None:
    env = {"SHORTSELLER_BYBIT_API_KEY": "k", "SHORTSELLER_BYBIT_API_SECRET": "s"}
    config = made.load("[bots.shortseller]\nenabled = true\n", env)
    assert config.bots["shortseller"].account == "shortseller"
    account = config.accounts["shortseller"]
    assert account.api_key.get_secret_value() == "k"
    assert account.api_secret.get_secret_value() == "s"


def test_a_bots_key_goes_to_the_account_that_the_bot_names(made: Made) -> None:
    env = {"SHORTSELLER_BYBIT_API_KEY": "k", "SHORTSELLER_BYBIT_API_SECRET": "s"}
    config = made.load("[bots.shortseller]\naccount = 'fund'\n", env)
    assert config.bots["shortseller"].account == "fund"
    assert config.accounts["fund"].api_key.get_secret_value() == "k"


def test_two_keys_for_one_account_are_refused(made: Made) -> None:
    env = {f"{bot}_BYBIT_API_{part}": f"{bot}{part}" for bot in "AB" for part in ("KEY", "SECRET")}
    text = "[bots.a]\naccount = 'fund'\n[bots.b]\naccount = 'fund'\n"
    message = made.refused(text, env)
    assert "one API key, found two" in message and "AKEY" not in message


def test_telegram_by_its_earlier_names(made: Made) -> None:
    env = {"C2_TELEGRAM_BOT_TOKEN": "1:x", "C2_TELEGRAM_ADMIN_IDS": "11,12"}
    config = made.load("", env)
    assert config.telegram.token.get_secret_value() == "1:x"
    assert config.telegram.admin_ids == (11, 12)
