"""The formulas of portfolio limits, and what the documentation says of them."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from alpha.core.records import MANUAL
from alpha.core.risk import (
    BEYOND,
    COUNTS,
    DAY_MS,
    EXPOSURES,
    FORMULAS,
    LOSSES,
    RATIOS,
    WEEK_MS,
    Action,
    Anchors,
    Entry,
    Exposure,
    Held,
    Kind,
    Rule,
    Standing,
    Trip,
    anew,
    begin,
    breaches,
    cuts,
    day_of,
    fault_of,
    follow,
    is_broken,
    is_over,
    may_act,
    measure,
    refusal,
    share,
    week_of,
    with_entry,
)

D = Decimal
ZERO = D(0)
EQUITY = D(10_000)
RISK = (Path(__file__).parents[2] / "docs" / "risk.md").read_text(encoding="utf-8")
#: 2026-06-29 00:00 UTC, a Monday.
MONDAY = 1_782_691_200_000

money = st.decimals(min_value=-50_000, max_value=50_000, places=2, allow_nan=False)
sizes = st.decimals(min_value="0.01", max_value=50_000, places=2, allow_nan=False)
signed = st.builds(lambda size, long: size if long else -size, sizes, st.booleans())
places = st.tuples(
    st.just("main"), st.sampled_from(["one", "two", MANUAL]), st.sampled_from(["A", "B", "C"])
)


def standing(
    held: list[tuple[tuple[str, str, str], Decimal]],
    pending: list[tuple[tuple[str, str, str], Decimal]] | None = None,
    *,
    equity: Decimal = EQUITY,
    entries: int = 0,
    anchors: Anchors | None = None,
) -> Standing:
    exposure = Exposure()
    for place, value in held:
        exposure.hold(place, value)
    for place, value in pending or []:
        exposure.enter(place, value)
    return Standing(equity, anchors or begin(MONDAY, equity, ZERO), exposure, entries)


# -- the examples of the documentation ---------------------------------------------------------


def _examples(place: int) -> dict[str, Decimal]:
    table = RISK.split("## Examples")[1].split("## What follows")[0].split("| what |")[place]
    rows = re.findall(r"^\| `?(\w[\w ]*)`? \| .* \| (-?[\d.]+) \|$", table, re.MULTILINE)
    return {name: D(value) for name, value in rows}


def _documented() -> Standing:
    open_pnl = D("0.1") * (58_000 - 60_000) - 2 * (2_550 - 2_500)
    result, equity = open_pnl - 8, 10_000 - 8 + open_pnl
    anchors = replace(
        begin(MONDAY + DAY_MS, equity, result),
        day_equity=D(10_000),
        day_result=ZERO,
        week_equity=D(10_150),
        week_result=D(150),
        peak_equity=D(10_400),
        peak_result=D(400),
    )
    held = [
        (("main", "one", "BTCUSDT"), D("0.1") * 58_000),
        (("main", "one", "ETHUSDT"), D(-2) * 2_550),
    ]
    return standing(held, equity=equity, anchors=anchors, entries=4)


def test_the_documented_values_are_those_of_the_formulas() -> None:
    at, found = _documented(), _examples(1)
    assert found.pop("open PnL") == -300
    assert found.pop("result") == at.anchors.result
    assert found.pop("equity") == at.equity
    assert {Kind(name) for name in found} == set(Kind)
    for name, value in found.items():
        assert round(measure(Kind(name), at), 8) == value, name


def test_the_documented_entry_is_judged_as_if_it_had_traded() -> None:
    at, entry = _documented(), Entry("main", "one", "SOLUSDT", D(1_000))
    found = _examples(2)
    assert len(found) == 6
    for name, value in found.items():
        assert round(with_entry(Kind(name), at, entry), 8) == value, name
    rule = Rule(Kind.NET_EXPOSURE, D(1_500), Action.BLOCK_ENTRIES)
    assert refusal([rule], at, entry) is not None
    assert refusal([rule], at, entry._replace(value=D(-1_000))) is None


def test_every_limit_and_action_is_documented() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", RISK, re.MULTILINE))
    assert rows >= {kind.value for kind in Kind} | {action.value for action in Action}
    assert set(FORMULAS) == set(Kind)


# -- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "limit", "fault"),
    [
        (Kind.DAILY_LOSS, "0.05", False),
        (Kind.DAILY_LOSS, "5", True),
        (Kind.DAILY_LOSS, "1", True),
        (Kind.DRAWDOWN, "0", True),
        (Kind.WEEKLY_LOSS, "-0.1", True),
        (Kind.GROSS_EXPOSURE, "5", False),
        (Kind.NET_EXPOSURE, "0", True),
        (Kind.LEVERAGE, "100", False),
        (Kind.LEVERAGE, "101", True),
        (Kind.CONCENTRATION, "NaN", True),
        (Kind.OPEN_POSITIONS, "2", False),
        (Kind.OPEN_POSITIONS, "2.5", True),
        (Kind.ORDERS_PER_MINUTE, "0", True),
    ],
)
def test_nonsense_is_no_limit(kind: Kind, limit: str, *, fault: bool) -> None:
    assert fault_of(kind, D(limit)) is fault


def test_a_count_is_not_reduced() -> None:
    for kind in Kind:
        assert may_act(kind, Action.REDUCE) is (kind not in COUNTS)
        assert all(may_act(kind, action) for action in Action if action is not Action.REDUCE)
    assert set(Kind) == LOSSES | COUNTS | EXPOSURES


@given(
    st.lists(st.tuples(places, signed), max_size=6), st.lists(st.tuples(places, signed), max_size=4)
)
def test_exposure_is_the_sum_of_its_parts(
    held: list[tuple[tuple[str, str, str], Decimal]],
    pending: list[tuple[tuple[str, str, str], Decimal]],
) -> None:
    at = standing(held, pending)
    every = [*held, *pending]
    assert measure(Kind.GROSS_EXPOSURE, at) == sum((abs(v) for _, v in every), ZERO)
    net = sum((v for _, v in held), ZERO)
    bought = net + sum((v for _, v in pending if v > 0), ZERO)
    sold = net + sum((v for _, v in pending if v < 0), ZERO)
    assert measure(Kind.NET_EXPOSURE, at) == max(abs(bought), abs(sold))
    assert measure(Kind.OPEN_POSITIONS, at) == len({place for place, _ in every})
    by_symbol = [sum((abs(v) for p, v in every if p[2] == s), ZERO) for s in "ABC"]
    assert measure(Kind.CONCENTRATION, at) == max(by_symbol) / 10_000
    assert measure(Kind.LEVERAGE, at) == sum(by_symbol, ZERO) / 10_000


@given(st.lists(st.tuples(places, signed), max_size=5), places, signed, st.integers(0, 20))
def test_an_entry_that_may_go_breaks_nothing_once_it_is_pending(
    held: list[tuple[tuple[str, str, str], Decimal]],
    place: tuple[str, str, str],
    value: Decimal,
    entries: int,
) -> None:
    """What is judged before is what is measured after, so two entries in a row cannot both use
    the room of one."""
    at, entry = standing(held, entries=entries), Entry(*place, value)
    after = standing(held, [(place, value)], entries=entries + 1)
    for kind in Kind:
        told, measured = with_entry(kind, at, entry), measure(kind, after)
        if kind is Kind.CONCENTRATION:
            assert told <= measured  # of its own symbol; another one may have more
        else:
            assert told == measured, kind
        limit = max(told, D("0.01"))
        if kind not in LOSSES:
            rule = Rule(kind, limit, Action.HALT)
            assert refusal([rule], at, entry) is None
            below = Rule(kind, limit * D("0.9"), Action.HALT)
            nearer = kind is Kind.NET_EXPOSURE and told <= measure(kind, at)
            is_small = not is_broken(below, told)
            assert (refusal([below], at, entry) is None) is (nearer or is_small)


def test_a_rule_that_warns_refuses_nothing() -> None:
    at, entry = standing([]), Entry("main", "one", "A", D(500))
    for action in Action:
        rule = Rule(Kind.GROSS_EXPOSURE, D(100), action)
        assert (refusal([rule], at, entry) is None) is (action is Action.WARN)


def test_a_loss_that_reduces_hides_no_later_limit() -> None:
    anchors = replace(begin(MONDAY, D(9_500), D(-500)), week_equity=D(10_000), week_result=ZERO)
    at = standing([(("main", "one", "A"), D(1))], equity=D(9_500), anchors=anchors)
    reduces = Rule(Kind.WEEKLY_LOSS, D("0.05"), Action.REDUCE)
    single = Rule(Kind.OPEN_POSITIONS, D(1), Action.BLOCK_ENTRIES)
    entry = Entry("main", "one", "B", D(1))
    assert [breach.rule for breach in breaches([reduces], at)] == [reduces]
    assert refusal([reduces], at, entry) is None
    found = refusal([reduces, single], at, entry)
    assert found is not None and found.rule is single


def test_a_loss_is_a_share_of_what_a_withdrawal_has_left() -> None:
    """10,000 at the start, 9,000 withdrawn, 100 lost of the 1,000 that were left."""
    for kind, place in (
        (Kind.DAILY_LOSS, "day"),
        (Kind.WEEKLY_LOSS, "week"),
        (Kind.DRAWDOWN, "peak"),
    ):
        begun = {f"{place}_equity": D(10_000), f"{place}_result": ZERO}
        anchors = replace(begin(MONDAY, D(900), D(-100)), **begun)
        assert measure(kind, standing([], anchors=anchors)) == D("0.1")
        assert measure(kind, standing([], anchors=replace(anchors, equity=D(20_000)))) == D("0.01")


def test_a_position_that_is_being_closed_makes_room_for_another() -> None:
    at = standing([(("main", "one", "A"), D(1))])
    at.exposure.leaving.add(("main", "one", "A"))
    assert measure(Kind.OPEN_POSITIONS, at) == 0
    assert with_entry(Kind.OPEN_POSITIONS, at, Entry("main", "one", "A", D(1))) == 1
    at.exposure.enter(("main", "one", "A"), D(1))
    assert measure(Kind.OPEN_POSITIONS, at) == 1
    flat = Trip(Kind.GROSS_EXPOSURE, Action.FLATTEN, D(2), D(1), MONDAY, 0, "why")
    assert not is_over(flat, None, at, MONDAY), "it is held until the exit has traded"


def test_a_loss_may_not_reach_its_limit() -> None:
    anchors = replace(begin(MONDAY, D(9_500), D(-500)), day_equity=D(10_000), day_result=ZERO)
    at = standing([], equity=D(9_500), anchors=anchors)
    rule = Rule(Kind.DAILY_LOSS, D("0.05"), Action.HALT)
    (breach,) = breaches([rule, Rule(Kind.OPEN_POSITIONS, D(1), Action.HALT)], at)
    assert (breach.rule, breach.value) == (rule, D("0.05"))
    assert breach.words == "daily_loss is 5.00 %, limit 5.00 %"
    assert breaches([Rule(rule.kind, D("0.0501"), rule.action)], at) == []


def test_nothing_may_be_held_on_an_empty_account() -> None:
    assert share(D(1), ZERO) == share(D(1), D(-5)) == BEYOND
    assert share(ZERO, ZERO) == share(D(-1), ZERO) == ZERO
    at = standing([(("main", "one", "A"), D(100))], equity=ZERO)
    assert measure(Kind.LEVERAGE, at) == measure(Kind.CONCENTRATION, at) == BEYOND


# -- days, weeks, peaks ------------------------------------------------------------------------


def test_weeks_begin_on_monday() -> None:
    assert week_of(MONDAY) == week_of(MONDAY - 1) + 1 == week_of(MONDAY + WEEK_MS - 1)
    assert day_of(MONDAY) == day_of(MONDAY - 1) + 1


def test_a_day_begins_where_the_one_before_it_was_left() -> None:
    """What is lost over midnight, while nobody looks, is the new day's loss."""
    at = begin(MONDAY - 3_600_000, D(10_000), D(50))
    at = follow(at, MONDAY - 1_000, D(9_900), D(-50))
    at = follow(at, MONDAY + 7_200_000, D(9_400), D(-550))
    assert (at.day, at.day_equity, at.day_result) == (day_of(MONDAY), D(9_900), D(-50))
    assert (at.week, at.week_equity, at.week_result) == (week_of(MONDAY), D(9_900), D(-50))
    assert (at.peak_equity, at.peak_result) == (D(10_000), D(50))
    assert measure(Kind.DAILY_LOSS, standing([], anchors=at)) == D(500) / D(9_900)


def test_time_does_not_go_back() -> None:
    at = begin(MONDAY, D(100), ZERO)
    back = follow(at, MONDAY - 5 * DAY_MS, D(90), D(-10))
    assert (back.day, back.week, back.at_ms) == (at.day, at.week, at.at_ms)


@given(st.lists(st.tuples(st.integers(0, 4 * DAY_MS), money), min_size=1, max_size=30))
def test_anchors_follow_results(steps: list[tuple[int, Decimal]]) -> None:
    at: Anchors | None = None
    now, seen = MONDAY, []
    for pause, result in steps:
        now += pause
        at = follow(at, now, 100_000 + result, result)
        seen.append((now, result))
    assert at is not None
    assert at.peak_result == max(result for _, result in seen)
    before = [result for ms, result in seen if day_of(ms) < at.day]
    assert at.day_result == (before[-1] if before else seen[0][1])
    weeks_before = [result for ms, result in seen if week_of(ms) < at.week]
    assert at.week_result == (weeks_before[-1] if weeks_before else seen[0][1])
    assert at.peak_equity - at.peak_result == 100_000


def test_a_reset_counts_from_now() -> None:
    at = follow(begin(MONDAY, D(10_000), ZERO), MONDAY + 1, D(9_000), D(-1_000))
    for kind in LOSSES:
        assert measure(kind, standing([], anchors=at)) == D("0.1")
        assert measure(kind, standing([], anchors=anew(at, {kind}))) == ZERO
    assert anew(at, {Kind.LEVERAGE}) == at


# -- how long it holds -------------------------------------------------------------------------


def _trip(kind: Kind | None, action: Action) -> Trip:
    return Trip(kind, action, D(2), D(1), MONDAY + DAY_MS, 0, "why")


def test_a_loss_is_over_with_its_period() -> None:
    at, day, week = standing([]), MONDAY + 2 * DAY_MS, MONDAY + WEEK_MS
    loss = _trip(Kind.DAILY_LOSS, Action.BLOCK_ENTRIES)
    assert not is_over(loss, None, at, day - 1) and is_over(loss, None, at, day)
    loss = _trip(Kind.WEEKLY_LOSS, Action.REDUCE)
    assert not is_over(loss, None, at, week - 1) and is_over(loss, None, at, week)
    for lasting in (
        _trip(Kind.DRAWDOWN, Action.BLOCK_ENTRIES),
        _trip(Kind.DAILY_LOSS, Action.HALT),
        _trip(Kind.LEVERAGE, Action.HALT),
        _trip(None, Action.HALT),
        _trip(None, Action.FLATTEN),
    ):
        assert not is_over(lasting, None, at, week + WEEK_MS)


def test_an_exposure_is_over_once_it_is_within_its_limit_and_flat_if_it_has_to_be() -> None:
    rule = Rule(Kind.GROSS_EXPOSURE, D(100), Action.BLOCK_ENTRIES)
    full = standing([(("main", "one", "A"), D(101))])
    some = standing([(("main", "one", "A"), D(100))])
    others = standing([(("main", MANUAL, "A"), D(100))])
    blocked = _trip(Kind.GROSS_EXPOSURE, Action.BLOCK_ENTRIES)
    assert not is_over(blocked, rule, full, MONDAY) and is_over(blocked, rule, some, MONDAY)
    flat = _trip(Kind.GROSS_EXPOSURE, Action.FLATTEN)
    assert not is_over(flat, rule, some, MONDAY) and is_over(flat, rule, others, MONDAY)


# -- cutting -----------------------------------------------------------------------------------

holdings = st.lists(
    st.builds(
        lambda owner, symbol, value: Held("main", owner, symbol, value / 10, value),
        st.sampled_from(["one", "two"]),
        st.sampled_from(["A", "B"]),
        signed,
    ),
    min_size=1,
    max_size=6,
)


@given(holdings, st.sampled_from(sorted(EXPOSURES)), st.integers(1, 1_000))
def test_cuts_bring_an_exposure_within_its_limit(
    mine: list[Held], kind: Kind, hundredths: int
) -> None:
    limit = D(hundredths) / 100 if kind in RATIOS else D(hundredths) * 100
    rule = Rule(kind, limit, Action.REDUCE)
    found = cuts(rule, EQUITY, mine, [])
    assert all(ZERO < cut.fraction <= 1 for cut in found)
    part = {id(cut.held): cut.fraction for cut in found}
    left = [one._replace(value=one.value * (1 - part.get(id(one), ZERO))) for one in mine]
    before, after = _value_of(kind, mine), _value_of(kind, left)
    assert bool(found) is is_broken(rule, before)
    assert after <= max(rule.limit, ZERO) + D("1E-9")
    assert after == before or after >= rule.limit - D("1E-9")  # and no more than that


def _value_of(kind: Kind, rows: list[Held]) -> Decimal:
    exposure = Exposure()
    for one in rows:
        exposure.hold((one.account, one.owner, one.symbol), one.value)
    return measure(kind, Standing(EQUITY, begin(MONDAY, EQUITY, ZERO), exposure))


def test_what_is_not_ours_to_close_is_made_up_for() -> None:
    mine = [Held("main", "one", "A", D(1), D(100)), Held("main", "two", "B", D(-3), D(-300))]
    fixed = [Held("main", MANUAL, "A", D(2), D(200))]
    gross = Rule(Kind.GROSS_EXPOSURE, D(400), Action.REDUCE)
    assert [cut.fraction for cut in cuts(gross, EQUITY, mine, fixed)] == [D("0.5"), D("0.5")]
    tight = Rule(Kind.GROSS_EXPOSURE, D(100), Action.REDUCE)
    assert [cut.fraction for cut in cuts(tight, EQUITY, mine, fixed)] == [1, 1]
    one_symbol = Rule(Kind.CONCENTRATION, D("0.025"), Action.REDUCE)
    found = cuts(one_symbol, EQUITY, mine, fixed)
    assert [(cut.held.symbol, cut.fraction) for cut in found] == [
        ("A", D("0.5")),
        ("B", D(50) / 300),
    ]
    balanced = Rule(Kind.NET_EXPOSURE, D(1), Action.REDUCE)
    assert cuts(balanced, EQUITY, mine, fixed) == []
