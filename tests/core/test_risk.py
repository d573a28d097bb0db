"""What an entry is asked before it is sent."""

from __future__ import annotations

from decimal import Decimal

from alpha.core.risk import EntryRisk, check_entry

D = Decimal


def test_without_limits_everything_goes() -> None:
    assert check_entry(EntryRisk(), notional=D("1E12")) is None


def test_an_entry_may_be_as_large_as_the_limit() -> None:
    risk = EntryRisk(max_notional=D(1000))
    assert check_entry(risk, notional=D(1000)) is None
    assert check_entry(risk, notional=D("1000.01")) == (
        "notional 1000.01 USDT is above the limit of 1000 per order"
    )


def test_figures_are_written_out() -> None:
    why = check_entry(EntryRisk(max_notional=D("1E+3")), notional=D("2E+4"))
    assert why == "notional 20000 USDT is above the limit of 1000 per order"


def test_reduce_only_takes_no_entry_however_small_and_says_why() -> None:
    risk = EntryRisk(max_notional=D(1000), reduce_only="PostgreSQL is away")
    assert check_entry(risk, notional=D(0)) == "reduce only: PostgreSQL is away"
    assert check_entry(EntryRisk(reduce_only="paused"), notional=D(1)) == "reduce only: paused"
    assert check_entry(EntryRisk(reduce_only=""), notional=D(1)) is not None
