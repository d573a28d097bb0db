"""Verbs: what they take, who may give them, what is written down."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import pytest

from alpha.clock import ManualClock
from alpha.control import text
from alpha.control.layer import Actor, Control, Forbidden
from alpha.control.text import cell
from alpha.control.verbs import VERBS, BadArgument, resolve_bot
from alpha.control.wire import encode, plain
from alpha.errors import AlphaError, NotFound
from tests.control.desks import MemoryDesk

OPERATOR = Actor("cli", "root", "operator")
VIEWER = Actor("rest", "someone", "viewer")


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


@pytest.fixture
def control(desk: MemoryDesk) -> Control:
    return Control(desk, ManualClock())


@pytest.mark.parametrize(
    ("verb", "words", "found"),
    [
        ("analytics", [], {}),
        ("analytics", ["30"], {"days": "30"}),
        ("analytics", ["30", "shortseller"], {"days": "30", "bot": "shortseller"}),
        ("analytics", ["shortseller", "30"], {"days": "30", "bot": "shortseller"}),
        ("stop", ["lxalgo"], {"bot": "lxalgo"}),
        ("positions", ["lxalgo"], {"bot": "lxalgo"}),
        ("fills", ["50"], {"limit": "50"}),
    ],
)
def test_words_find_their_arguments(verb: str, words: list[str], found: dict[str, str]) -> None:
    assert VERBS[verb].match(words) == found


def test_what_people_write_can_be_stored() -> None:
    given = VERBS["halt"].read({"reason": "a\0b\ud800c é"})
    assert given.reason == "ab?c é"


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("status", ["all"]),
        ("stop", ["one", "two"]),
        ("analytics", ["7", "30"]),
        ("fills", ["many"]),
    ],
)
def test_words_too_many_are_refused(verb: str, words: list[str]) -> None:
    with pytest.raises(BadArgument, match=f"expected {verb}") as caught:
        VERBS[verb].match(words)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("verb", "given", "words"),
    [
        ("stop", {}, "found no bot"),
        ("stop", {"bot": ""}, "found no bot"),
        ("status", {"bot": "x"}, "found an argument 'bot'"),
        ("analytics", {"days": "91"}, "from 1 to 90, found '91'"),
        ("analytics", {"days": "0"}, "from 1 to 90, found '0'"),
        ("fills", {"limit": "-1"}, "found '-1'"),
    ],
)
def test_arguments_out_of_bounds_are_refused(verb: str, given: dict[str, str], words: str) -> None:
    with pytest.raises(BadArgument, match=words):
        VERBS[verb].read(given)


def test_bots_by_name_id_and_alias() -> None:
    names = {"shortseller": "shortseller_001", "lxalgo": "lxalgo_007"}
    for word in ("shortseller", "shortseller_001", "SHORTSELLER", "alpha"):
        assert resolve_bot(names, word) == "shortseller"
    with pytest.raises(NotFound, match="lxalgo, shortseller, found 'bravo'") as caught:
        resolve_bot(names, "bravo")
    assert caught.value.exit_code == 2


async def test_a_verb_that_acts_is_written_down(control: Control, desk: MemoryDesk) -> None:
    answer = await control.run("stop", {"bot": "shortseller_001"}, OPERATOR)
    assert answer.data == {"bot": "shortseller", "state": "paused"}
    assert desk.states["shortseller"] == "paused"
    (row,) = desk.records
    assert (row.channel, row.operator, row.command) == ("cli", "root", "stop")
    assert (row.decision, row.arguments) == ("allowed", {"bot": "shortseller_001"})
    assert row.duration_ms is not None


async def test_a_verb_that_fails_is_written_down(control: Control, desk: MemoryDesk) -> None:
    with pytest.raises(NotFound):
        await control.run("stop", {"bot": "nobody"}, OPERATOR)
    assert [(row.decision, "nobody" in row.result) for row in desk.records] == [("refused", True)]


async def test_a_verb_that_is_cut_off_is_written_down(
    control: Control, desk: MemoryDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(name: str) -> str:
        await asyncio.Event().wait()
        return name

    monkeypatch.setattr(desk, "stop_bot", never)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await control.run("stop", {"bot": "shortseller"}, OPERATOR)
    (row,) = desk.records
    assert (row.decision, row.result) == ("allowed", "not finished: CancelledError")


async def test_a_viewer_may_look_and_not_act(control: Control, desk: MemoryDesk) -> None:
    await control.run("status", {}, VIEWER)
    assert desk.records == []
    with pytest.raises(Forbidden, match="expected the role operator, was viewer"):
        await control.run("stop", {"bot": "lxalgo"}, VIEWER)
    assert [row.decision for row in desk.records] == ["refused"]


async def test_an_unknown_verb_names_those_that_there_are(control: Control) -> None:
    with pytest.raises(NotFound, match="status, bots"):
        await control.run("dance", {}, OPERATOR)


@pytest.mark.parametrize("verb", ["bots", "positions", "orders", "fills", "analytics"])
async def test_readers_say_their_source_and_age(control: Control, verb: str) -> None:
    answer = await control.run(verb, {}, VIEWER)
    assert answer.data["source"] == "daemon" and answer.data["data_age_s"] == 0.5
    assert isinstance(answer.data[verb], list)
    json.loads(encode(answer.data))


async def test_a_database_is_never_shown_as_live(control: Control, desk: MemoryDesk) -> None:
    desk.source = "database"
    for verb in ("status", "bots", "analytics"):
        assert "no daemon runs" in (await control.run(verb, {}, VIEWER)).text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0.100000000000", "0.1"),
        ("1E+3", "1000"),
        ("1E-8", "0.00000001"),
        ("-0.0", "0"),
        ("1500", "1500"),
        ("-2.50", "-2.5"),
    ],
)
def test_decimals_are_plain(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text
    assert encode({"n": Decimal(number)}) == f'{{"n":"{text}"}}'


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Decimal("1860.339306666667"), "1860.3393"),
        ("119.457756849315", "119.45776"),
        ("0.00012345678901", "0.00012345679"),
        (Decimal("1234567.5"), "1234567.5"),
        ("1000", "1000"),
        ("shortseller_001", "shortseller_001"),
        ("2026-06-29T16:05:02.608Z", "2026-06-29T16:05:02.608Z"),
        (None, "-"),
        (True, "yes"),
    ],
)
def test_cells_for_people_are_short(value: object, words: str) -> None:
    assert cell(value) == words


def test_only_acting_verbs_ask_for_more_than_a_viewer() -> None:
    for verb in VERBS.values():
        assert verb.acts == (verb.role != "viewer"), verb.name
        assert issubclass(BadArgument, AlphaError)


async def test_differences_are_shown_and_applied_by_an_admin_only(
    control: Control, desk: MemoryDesk
) -> None:
    shown = await control.run("reconcile", {}, VIEWER)
    assert shown.data["agrees"] is True
    assert "agree" in shown.text
    desk.differences = [
        {
            "account": "main",
            "kind": "position",
            "symbol": "BTCUSDT",
            "subject": "",
            "ledger": "0",
            "exchange": "0.5",
            "note": "nobody holds it in the ledger",
        }
    ]
    shown = await control.run("reconcile", {}, VIEWER)
    assert shown.data["agrees"] is False
    assert "BTCUSDT" in shown.text
    assert desk.records == []
    with pytest.raises(Forbidden):
        await control.run("reconcile_apply", {}, OPERATOR)
    done = await control.run("reconcile_apply", {}, Actor("cli", "root", "admin"))
    assert done.data["agrees"] is True
    assert "adjusted BTCUSDT by root" in done.text
    assert [record.decision for record in desk.records] == ["refused", "allowed"]


@pytest.mark.parametrize(
    ("stop_loss", "trailing_stop", "shown"),
    [
        (None, None, "stop -"),
        ("2.61", None, "stop 2.61"),
        (None, "0.04", "trailing by 0.04"),
        ("2.61", "0.04", "stop 2.61 · trailing by 0.04"),
    ],
)
async def test_the_status_says_what_protects_a_position(
    desk: MemoryDesk, stop_loss: str | None, trailing_stop: str | None, shown: str
) -> None:
    status = await desk.status()
    for bot in status["bots"].values():
        for position in bot["positions"]:
            position["stop_loss"], position["trailing_stop"] = stop_loss, trailing_stop
    [line] = [one for one in text.status(status).splitlines() if " short " in one and " @ " in one]
    assert line.endswith(f" · {shown}")
