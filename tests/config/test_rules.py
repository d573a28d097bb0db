"""Modes kept apart, accounts and bots that fit together."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpha.config import Config, check_start, load, select_bots
from alpha.errors import ConfigError, NotFound


def made(folder: Path, text: str) -> Config:
    path = folder / "alpha.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, {}, {})


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000",
        "http://localhost:8000",
        "http://sim.localhost:8000",
        "http://10.1.2.3",
        "http://172.16.0.9:1",
        "http://192.168.1.1",
        "http://[::1]:8000",
        "http://[fd00::1]:8000",
    ],
)
def test_paper_takes_private_hosts(tmp_path: Path, url: str) -> None:
    assert made(tmp_path, f"[exchange]\nrest_url = '{url}'\n").exchange.rest_url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://api.bybit.com",
        "https://api-demo.bybit.com",
        "http://8.8.8.8",
        "http://172.32.0.1",
        "http://0.0.0.0:80",
        "http://169.254.169.254",
        "http://[2001:4860:4860::8888]",
        "http://[::ffff:8.8.8.8]",
        "http://127.0.0.1@8.8.8.8",
        "http://no-such-host.invalid",
    ],
)
def test_paper_refuses_all_others(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="mode paper accepts only loopback or private hosts"):
        made(tmp_path, f"[exchange]\nrest_url = '{url}'\n")


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("rest_url", "ws://127.0.0.1"),
        ("rest_url", "127.0.0.1:80"),
        ("private_ws_url", "http://127.0.0.1"),
        ("rest_url", "http://127.0.0.1:port"),
        ("rest_url", "http://"),
    ],
)
def test_addresses_have_the_right_form(tmp_path: Path, key: str, url: str) -> None:
    with pytest.raises(ConfigError, match=f"exchange.{key}: expected"):
        made(tmp_path, f"[exchange]\n{key} = '{url}'\n")


@pytest.mark.parametrize(
    ("mode", "key", "url", "right"),
    [
        ("demo", "rest_url", "https://api-demo.bybit.com", True),
        ("demo", "rest_url", "https://api.bybit.com", False),
        ("demo", "rest_url", "https://api.bytick.com", False),
        ("demo", "rest_url", "https://api.bybit.nl", False),
        ("demo", "private_ws_url", "wss://stream.bybit.com/v5/private", False),
        ("demo", "public_ws_url", "wss://stream.bybit.com/v5/public/linear", True),
        ("testnet", "rest_url", "https://api-testnet.bybit.com", True),
        ("testnet", "rest_url", "https://api.bybit.com", False),
        ("demo", "rest_url", "http://relay.example:8080", True),
    ],
)
def test_hosts_of_another_mode_are_refused(
    tmp_path: Path, mode: str, key: str, url: str, right: bool
) -> None:
    text = f"mode = '{mode}'\n[exchange]\n{key} = '{url}'\n"
    if right:
        assert made(tmp_path, text).exchange.urls == {key: url}
        return
    with pytest.raises(ConfigError, match=f"expected a host of mode {mode}"):
        made(tmp_path, text)


def test_live_needs_both_switches(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"live.enabled = false"):
        made(tmp_path, "mode = 'live'\n")
    config = made(tmp_path, "mode = 'live'\n[live]\nenabled = true\n")
    with pytest.raises(ConfigError, match="found no --live"):
        check_start(config, live_flag=False)
    check_start(config, live_flag=True)


def test_a_start_needs_keys_outside_paper(tmp_path: Path) -> None:
    config = made(tmp_path, "mode = 'demo'\n[bots.a]\nenabled = true\n")
    with pytest.raises(ConfigError, match=r"accounts.main: expected api_key and api_secret"):
        check_start(config, live_flag=False)


def test_paper_accounts_have_keys_that_stay(tmp_path: Path) -> None:
    text = "[bots.a]\n[bots.b]\naccount = 'other'\n[accounts.own]\napi_key='k'\napi_secret='s'\n"
    first, second = made(tmp_path, text).accounts, made(tmp_path, text).accounts
    keys = {name: account.api_key.get_secret_value() for name, account in first.items()}
    assert keys == {name: account.api_key.get_secret_value() for name, account in second.items()}
    assert set(keys) == {"main", "other", "own"} and len(set(keys.values())) == 3
    assert keys["own"] == "k" and all(":" not in key and len(key) > 0 for key in keys.values())


def test_without_bots_there_is_still_an_account(tmp_path: Path) -> None:
    accounts = made(tmp_path, "").accounts
    assert list(accounts) == ["main"] and accounts["main"].api_key.get_secret_value()


def test_one_key_under_two_names_is_refused(tmp_path: Path) -> None:
    text = "".join(f"[accounts.{n}]\napi_key='samekey'\napi_secret='s'\n" for n in "ab")
    with pytest.raises(ConfigError, match=r"accounts.b: expected an API key of its own") as caught:
        made(tmp_path, text)
    assert "samekey" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[postgres]\nurl = 'mysql://u:hidden@h/d'\n", r":2: postgres.url: .*scheme 'mysql'"),
        ("[postgres]\ndirect_url = 'hidden'\n", r"postgres.direct_url: .*found no scheme"),
        ("[redis]\nurl = 'http://:hidden@h'\n", r"redis.url: .*redis://.*scheme 'http'"),
        ("[redis]\nurl = 'hidden:6379'\n", r"redis.url: .*found no scheme"),
        ("[postgres]\nurl = 'postgresql://u:hidden@[::1/d'\n", r"postgres.url: .*cannot be read"),
        ("[redis]\nurl = 'redis://:hidden@h:99999'\n", r"redis.url: .*cannot be read"),
        ("[sinks.influx]\nurl = 'http://[hidden'\nbucket = 'b'\n", r"sinks.influx.url: expected"),
    ],
)
def test_servers_have_addresses_of_their_kind(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        made(tmp_path, text)
    assert "hidden" not in str(caught.value)


def test_a_replay_without_its_folder_does_not_start(tmp_path: Path) -> None:
    text = f"[paper]\nfeed = 'replay'\ndata = '{tmp_path}/none'\n"
    with pytest.raises(ConfigError, match=r":3: paper.data: expected a folder .* found nothing"):
        check_start(made(tmp_path, text), live_flag=False)
    (tmp_path / "none").mkdir()
    check_start(made(tmp_path, text), live_flag=False)


SHARED = "shared_account = true\ncapital = 100\n"


@pytest.mark.parametrize(
    ("first", "second", "missing"),
    [
        ("", "", "shared_account = true"),
        (SHARED, "shared_account = true\n", "capital"),
        (SHARED, "capital = 5\n", "shared_account = true"),
        (SHARED, SHARED, None),
    ],
)
def test_bots_that_share_an_account_say_so(
    tmp_path: Path, first: str, second: str, missing: str | None
) -> None:
    text = f"[bots.a]\nenabled = true\n{first}[bots.b]\nenabled = true\n{second}"
    if missing is None:
        assert set(made(tmp_path, text).enabled_bots) == {"a", "b"}
        return
    with pytest.raises(ConfigError, match=f"found no {missing}"):
        made(tmp_path, text)


def test_owners_are_bots_of_the_account(tmp_path: Path) -> None:
    text = "[bots.a]\n[accounts.main]\nowners = { BTCUSDT = 'b' }\n"
    with pytest.raises(ConfigError, match=r"accounts.main.owners.BTCUSDT: .*found 'b'"):
        made(tmp_path, text)
    assert made(tmp_path, text.replace("'b'", "'a'")).accounts["main"].owners == {"BTCUSDT": "a"}


def test_bots_of_one_run(tmp_path: Path) -> None:
    text = "[bots.a]\nenabled = true\n[bots.b]\nbot_id = 'b_001'\naccount = 'other'\n"
    config = made(tmp_path, text)
    assert list(select_bots(config, ["b_001"]).enabled_bots) == ["b"]
    assert list(select_bots(config, ["a", "b"]).enabled_bots) == ["a", "b"]
    none = select_bots(config, [])
    assert not none.enabled_bots and set(none.bots) == {"a", "b"}
    assert none.origins["bots.a.enabled"] == "command line"
    with pytest.raises(NotFound, match=r"configured bots \(a, b\), found 'c'") as caught:
        select_bots(config, ["a", "c"])
    assert caught.value.exit_code == 2
