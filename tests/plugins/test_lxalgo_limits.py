"""LXAlgo's loss limits: the day's, and the week's two steps with recovery."""

from __future__ import annotations

from decimal import Decimal

import pytest

from plugins.lxalgo.limits import DAY_MS, WEEK_MS, Account, week_of
from plugins.lxalgo.settings import LXAlgoSettings
from tests.plugins.candles import BAR_MS
from tests.plugins.lxalgo_tape import BTC, ETH, HOUR_MS, NOTHING, TUESDAY, Tape, intents, tape

SETTINGS = LXAlgoSettings()
#: 2025-09-29 00:00 UTC.
MONDAY = TUESDAY - DAY_MS
MINUTE_MS = 60_000


def account(*equities: str, start_ms: int = MONDAY, step_ms: int = DAY_MS) -> Account:
    """The account after closes with these equities, one a day from Monday on."""
    found = Account()
    for place, equity in enumerate(equities):
        found.observe(start_ms + place * step_ms, Decimal(equity), SETTINGS)
    return found


def test_weeks_begin_on_monday() -> None:
    assert week_of(MONDAY) == week_of(MONDAY - 1) + 1
    assert week_of(MONDAY + WEEK_MS - 1) == week_of(MONDAY)


def test_a_day_that_has_lost_2_percent_halts_until_a_minute_past_midnight() -> None:
    """10 000 -> 9785 is 2.15 %."""
    assert not account("10000", "9801", step_ms=HOUR_MS).is_halted(MONDAY + HOUR_MS)
    found = account("10000", "9785", step_ms=HOUR_MS)
    assert found.is_halted(MONDAY + HOUR_MS)
    assert found.is_halted(MONDAY + DAY_MS)
    assert not found.is_halted(MONDAY + DAY_MS + MINUTE_MS)
    assert (found.level, found.halted_by) == (0, "day")


def test_exactly_2_percent_is_enough() -> None:
    assert account("10000", "9800", step_ms=HOUR_MS).is_halted(MONDAY + HOUR_MS)


def test_a_halted_day_stays_halted_when_equity_returns() -> None:
    found = account("10000", "9785", "10100", step_ms=HOUR_MS)
    assert found.is_halted(MONDAY + 2 * HOUR_MS)


def test_a_week_that_has_lost_4_percent_halves_entries_until_half_of_it_is_back() -> None:
    """Week start 10 000, equity 9577: 4.23 %; half of it is back at 9788.50."""
    found = account("10000", "9900", "9800", "9577")
    assert (found.level, found.multiplier, found.worst) == (1, Decimal("0.5"), Decimal(423))
    found.observe(MONDAY + 3 * DAY_MS + BAR_MS, Decimal("9788.49"), SETTINGS)
    assert found.level == 1
    found.observe(MONDAY + 3 * DAY_MS + 2 * BAR_MS, Decimal("9788.50"), SETTINGS)
    assert (found.level, found.multiplier) == (0, Decimal(1))


def test_the_worst_loss_is_the_weeks() -> None:
    """Level 1 is entered twice; what has to come back is half of the worst of the week."""
    found = account("10000", "9850", "9700", "9500", "9760", "9590", "9600")
    assert (found.level, found.worst) == (1, Decimal(500))
    found.observe(MONDAY + 6 * DAY_MS + BAR_MS, Decimal(9749), SETTINGS)
    assert found.level == 1


def test_a_week_that_has_lost_6_percent_halts_until_monday() -> None:
    found = account("10000", "9850", "9700", "9540", "9355")
    assert (found.level, found.multiplier, found.halted_by) == (2, Decimal(0), "week")
    monday = MONDAY + WEEK_MS
    assert found.is_halted(monday)
    found.observe(monday, Decimal(9355), SETTINGS)
    assert (found.level, found.multiplier, found.worst) == (0, Decimal(1), Decimal(0))
    assert found.is_halted(monday)
    assert not found.is_halted(monday + MINUTE_MS)


def test_a_week_lost_on_monday_halts_until_the_following_one() -> None:
    found = account("10000", "9300", step_ms=HOUR_MS)
    assert found.halted_until == MONDAY + WEEK_MS + MINUTE_MS


def test_no_recovery_from_a_halted_week() -> None:
    found = account("10000", "9300", "10000", step_ms=HOUR_MS)
    assert (found.level, found.is_halted(MONDAY + 2 * HOUR_MS)) == (2, True)


def test_anchors_are_taken_before_limits_are_tested() -> None:
    """The close at midnight opens the new day with what the old one has lost."""
    found = account("10000", "9795", step_ms=DAY_MS)
    assert not found.is_halted(MONDAY + DAY_MS)
    assert found.day_equity == 9795


def test_an_account_without_money_is_halted() -> None:
    assert account("0").is_halted(MONDAY)


@pytest.mark.parametrize(
    ("profits", "gives_back"),
    [
        (("399", "0.1"), False),  # never armed
        (("400", "281"), False),
        (("400", "280"), True),
        (("400", "1000", "700"), True),
        (("400", "-1", "200"), False),  # disarmed
    ],
)
def test_the_profit_lock(profits: tuple[str, ...], gives_back: bool) -> None:
    found = Account()
    answers = [found.gives_back(Decimal(one), SETTINGS) for one in profits]
    assert answers[-1] is gives_back
    assert not any(answers[:-1])


# -- through the bot --------------------------------------------------------------------------


def test_a_trip_closes_everything_and_refuses_entries_until_five_past_midnight() -> None:
    """Over the end of a month: it trips on 30 September, 23:50."""
    market = tape(symbols=(BTC, ETH), start_ms=TUESDAY + 23 * HOUR_MS)
    market.close(109.0, 100.0)
    market.until(TUESDAY + DAY_MS - 3 * BAR_MS, 109.0)
    market.desk.equity = Decimal(9800)
    decision = market.close(109.0, 109.0)
    assert [one[0] for one in intents(decision)] == ["exit", "exit"]
    assert {one[2] for one in intents(decision)} == {"risk_limit"}
    assert decision is not None
    assert {p.intent.model_dump()["details"]["detail"] for p in decision.planned} == {"day"}
    assert market.desk.positions == {}
    midnight = TUESDAY + DAY_MS
    assert intents(market.close(118.0, 118.0)) == NOTHING  # 23:55
    assert intents(market.close(119.0, 119.0)) == NOTHING  # 00:00
    assert market.start_ms == midnight
    assert market.book.account.day_equity == 9800
    assert intents(market.close(128.0, 128.0)) == [
        ("enter", ETH, "rule_8"),
        ("enter", BTC, "rule_8"),
    ]


def test_what_is_still_there_while_halted_is_closed() -> None:
    """An entry that filled after the halt, or an exit that was refused."""
    market = tape()
    market.close(109.0)
    market.desk.fills = False
    market.desk.equity = Decimal(9000)
    assert intents(market.close(109.0)) == [("exit", BTC, "risk_limit")]
    market.desk.pending_exits.add(BTC)
    assert intents(market.close(109.0)) == NOTHING
    market.desk.pending_exits.clear()
    market.desk.equity = Decimal(10_000)
    assert intents(market.close(109.0)) == [("exit", BTC, "risk_limit")]


def test_half_size_at_level_1() -> None:
    """A week that has lost 4.5 % over three days."""
    market = tape({"day_loss": 1})
    market.close(100.0)
    market.desk.equity = Decimal(9550)
    decision = market.close(109.0)
    assert decision is not None
    assert decision.planned[0].intent.model_dump()["notional"] == Decimal("100.0")
    assert decision.planned[0].intent.model_dump()["details"]["multiplier"] == "0.5"


def test_monday_lifts_a_halted_week() -> None:
    """2025-10-05 is a Sunday: halted at its last close but one, free on Monday at 00:05."""
    monday = TUESDAY + 6 * DAY_MS
    market = tape(start_ms=monday - HOUR_MS)
    market.until(monday - 2 * BAR_MS, 100.0)
    market.desk.equity = Decimal(9000)
    market.close(100.0)
    assert market.book.account.level == 2
    assert intents(market.close(109.0)) == NOTHING  # 00:00
    assert market.book.account.level == 0
    assert intents(market.close(109.0)) == [("enter", BTC, "rule_8")]


def test_the_profit_lock_is_off_unless_asked_for() -> None:
    def course(**settings: object) -> Tape:
        market = tape({"base_size": 100, **settings})
        market.close(109.0)
        market.desk.equity = Decimal(10_200)
        market.close(109.0)
        market.desk.equity = Decimal(10_139)
        return market

    assert intents(course().close(109.0)) == NOTHING
    assert intents(course(profit_lock=True).close(109.0)) == [("exit", BTC, "risk_limit")]
