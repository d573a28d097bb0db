"""Alerts: told at once, counted when they come again, never in anybody's way."""

from __future__ import annotations

import pytest
import structlog

from alpha.alerts import KEPT, QUIET_S, Alert, Alerts
from alpha.clock import ManualClock

START_MS = 1_762_000_000_000
SECRET = "hunter2-hunter2"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_MS)


def mismatch(alerts: Alerts, symbol: str = "BTCUSDT", message: str = "expected 1, was 2") -> None:
    alerts.tell("position_mismatch", message, account="main", symbol=symbol, ledger="1")


def test_the_first_is_told_at_once_and_says_where_and_when(clock: ManualClock) -> None:
    alerts, heard = Alerts(clock), list[Alert]()
    alerts.listen(heard.append)
    with structlog.testing.capture_logs() as logs:
        mismatch(alerts)
    assert heard[0].text() == (
        "CRITICAL position_mismatch\n"
        "account main · BTCUSDT\n"
        "2025-11-01T12:26:40.000Z\n"
        "expected 1, was 2"
    )
    (line,) = logs
    assert (line["event"], line["log_level"], line["symbol"], line["ledger"]) == (
        "position_mismatch", "critical", "BTCUSDT", "1",
    )  # fmt: skip


def test_an_alert_names_the_part_that_it_comes_from(clock: ManualClock) -> None:
    alerts, heard = Alerts(clock), list[Alert]()
    alerts.listen(heard.append)
    mismatch(alerts)
    alerts.tell("wallet_differs", "expected 1, was 2", account="main")
    alerts.tell("duty_failed", "expected the backup to succeed", component="backup")
    assert [one.component for one in heard] == ["positions", "trade-sync", "backup"]


def test_a_storm_is_one_message_and_later_its_number(clock: ManualClock) -> None:
    alerts, heard = Alerts(clock), list[Alert]()
    alerts.listen(heard.append)
    with structlog.testing.capture_logs() as logs:
        for number in range(100):
            mismatch(alerts, message=f"expected 1, was {number}")
    assert len(heard) == 1 and len(logs) == 100  # the log has them all
    mismatch(alerts, "ETHUSDT")  # another subject is another alert
    assert len(heard) == 2
    clock.advance(int(QUIET_S * 1000) - 1)
    alerts.look()
    assert len(heard) == 2
    clock.advance(1)
    alerts.look()
    assert [(one.repeated, one.message) for one in heard[2:]] == [(99, "expected 1, was 99")]
    assert "position_mismatch · 99 more" in heard[2].text()
    mismatch(alerts)  # still the same storm
    assert len(heard) == 3
    for _ in range(2):
        clock.advance(int(QUIET_S * 1000))
        alerts.look()
    assert [one.repeated for one in heard[3:]] == [1]
    mismatch(alerts)  # after a while of silence it is news again
    assert [one.repeated for one in heard[4:]] == [0]


def test_what_came_before_a_listener_is_handed_over(clock: ManualClock) -> None:
    alerts, heard = Alerts(clock), list[Alert]()
    for number in range(KEPT + 10):
        mismatch(alerts, f"S{number}USDT")
    alerts.listen(heard.append)
    assert [one.symbol for one in heard] == [f"S{n}USDT" for n in range(10, KEPT + 10)]


def test_a_listener_that_fails_harms_nobody(clock: ManualClock) -> None:
    def broken(alert: Alert) -> None:
        raise RuntimeError(alert.kind)

    alerts, heard = Alerts(clock), list[Alert]()
    alerts.listen(broken)
    alerts.listen(heard.append)
    mismatch(alerts)
    assert len(heard) == 1


def test_secrets_are_masked_everywhere(clock: ManualClock) -> None:
    alerts = Alerts(clock, secrets={SECRET, "", "abc"})
    with structlog.testing.capture_logs() as logs:
        alerts.tell("key_refused", f"expected abc, was {SECRET}", error=f"bad key {SECRET}")
    (alert,) = alerts.recent
    assert SECRET not in f"{alert} {logs}"
    assert alert.message == "expected abc, was ********"
