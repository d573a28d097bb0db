"""C2 over HTTP against a stand-in of the Bot API."""

from __future__ import annotations

import asyncio
import logging
from html import unescape

import pytest
import structlog

from tests.telegram.conftest import ADMIN, STRANGER, Room
from tests.telegram.stand_in import TOKEN


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/status", "shortseller: running"),
        ("/status@a_bot", "shortseller: running"),
        ("/positions", "ADAUSDT"),
        ("/bots", "lxalgo_001"),
        ("/help", "/stop BOT"),
        ("/nonsense", "unknown command /nonsense"),
        ("/stop nobody", "expected one of the bots lxalgo, shortseller, found 'nobody'"),
        ("/fills 0", "limit: expected a whole number from 1 to 100000, found '0'"),
    ],
)
async def test_commands_are_answered(room: Room, command: str, expected: str) -> None:
    assert expected in unescape(await room.ask(command))


@pytest.mark.parametrize(
    ("command", "bots", "days"),
    [
        ("/analytics", 2, 7),
        ("/analytics 30", 2, 30),
        ("/analytics shortseller", 1, 7),
        ("/analytics shortseller 14", 1, 14),
        ("/analytics 14 shortseller_001", 1, 14),
    ],
)
async def test_analytics_takes_bot_and_days_in_any_order(
    room: Room, command: str, bots: int, days: int
) -> None:
    text = await room.ask(command)
    assert f"last {days} days" in text
    assert text.count("net +12.50") == bots
    assert "won 50 %" in text


async def test_stop_and_start_act_and_are_audited(room: Room) -> None:
    assert "paused" in await room.ask("/stop shortseller")
    assert room.desk.states["shortseller"] == "paused"
    assert "running" in await room.ask("/start alpha")
    assert room.desk.states["shortseller"] == "running"
    commands = [(r.channel, r.operator, r.command, r.decision) for r in room.desk.records]
    assert commands == [
        ("telegram", f"telegram:{ADMIN}", "stop", "allowed"),
        ("telegram", f"telegram:{ADMIN}", "start", "allowed"),
    ]


async def test_what_changes_the_books_has_to_come_twice(room: Room) -> None:
    room.desk.fill_rows = [{"exec_id": "1234"}]
    owners = ("lxalgo", "manual", "manual", "manual")  # other words are no confirmation
    async with room.running():
        for number, owner in enumerate(owners):
            await room.say(f"/assign 1234 {owner}")
            await room.telegram.until_sent(number + 1)
            assert len(room.desk.assigned) == (number >= 2)
    assert ["Send the same again" in sent.text for sent in room.telegram.sent] == [
        True, True, False, True,
    ]  # fmt: skip
    assert room.desk.assigned == [("1234", "manual", f"telegram:{ADMIN}")]
    assert [(row.command, row.decision) for row in room.desk.records] == [("assign", "allowed")]


@pytest.mark.parametrize("command", ["/start", "/stop", "/start ", "/START"])
async def test_without_an_argument_nothing_acts(room: Room, command: str) -> None:
    before = dict(room.desk.states)
    text = await room.ask(command)
    assert "shortseller_001" in text and "/help" in text
    assert room.desk.states == before
    assert room.desk.records == []


async def test_strangers_get_no_answer_and_one_audit_row(room: Room) -> None:
    async with room.running():
        for text in ("/stop shortseller", "/status", "hello"):
            await room.say(text, user=STRANGER)
        await room.telegram.until_taken()
        await room.say("/status")
        await room.telegram.until_sent(1)
    assert [sent.chat for sent in room.telegram.sent] == [ADMIN]
    assert room.desk.states["shortseller"] == "running"
    assert [(r.operator, r.command, r.decision) for r in room.desk.records] == [
        (f"telegram:{STRANGER}", "/stop", "refused")
    ]


async def test_groups_are_not_heard(room: Room) -> None:
    async with room.running():
        at_s = room.clock.now_ms() / 1000
        await room.telegram.say(ADMIN, "/stop shortseller", at_s=at_s, chat_type="group", chat=-100)
        await room.telegram.until_taken()
    assert room.telegram.sent == []
    assert room.desk.states["shortseller"] == "running"


async def test_old_commands_are_dropped_at_start(room: Room) -> None:
    await room.say("/stop shortseller", ago_s=61)
    await room.say("/status", ago_s=5)
    async with room.running():
        await room.telegram.until_sent(1)
        await room.telegram.until_taken()
    assert room.desk.states["shortseller"] == "running"
    assert len(room.telegram.sent) == 1


async def test_a_late_command_is_refused_with_words_once_polling(room: Room) -> None:
    async with room.running():
        await room.say("/status")
        await room.telegram.until_sent(1)
        await room.telegram.until_taken()
        await room.say("/stop shortseller", ago_s=300)
        sent = await room.telegram.until_sent(2)
    assert "late and was not run" in sent[1].text
    assert room.desk.states["shortseller"] == "running"


async def test_an_update_is_taken_once_over_restarts(room: Room) -> None:
    await room.ask("/status")  # update 1001
    polls = len(room.telegram.offsets)
    async with room.running():
        await room.say("/bots")
        await room.telegram.until_sent(2)
    assert room.telegram.offsets[polls] == 1002
    assert len(room.telegram.sent) == 2


async def test_long_answers_are_split_between_lines(room: Room) -> None:
    room.desk.fill_rows = [
        {"exec_time": f"row{number}", "bot_id": "<b>&", "symbol": "BTCUSDT"}
        for number in range(200)
    ]
    async with room.running():
        await room.say("/fills 200")
        await room.telegram.until_sent(3)
        # Everything is out once the next answer is.
        await room.say("/help")
        async with asyncio.timeout(10):
            while "/help  This list" not in room.telegram.sent[-1].text:
                await room.telegram.until_sent(len(room.telegram.sent) + 1)
    pages = [sent.text for sent in room.telegram.sent[:-1]]
    assert all(page.startswith("<pre>") and page.endswith("</pre>") for page in pages)
    rows = [line for page in pages for line in page[5:-6].split("\n") if line.startswith("row")]
    assert [row.split()[0] for row in rows] == [f"row{number}" for number in range(200)]
    assert all("&lt;b&gt;&amp;" in row for row in rows)


async def test_telegram_away_at_start_and_later(room: Room) -> None:
    await room.telegram.stop()
    async with room.running() as c2:
        c2.notify("while away")
        with structlog.testing.capture_logs() as logs:
            async with asyncio.timeout(10):
                while not any(entry["event"] == "telegram_away" for entry in logs):
                    await asyncio.wait([asyncio.create_task(room.clock.sleep(1))])
        await room.telegram.start()
        await room.telegram.until_sent(1)
        await room.say("/status")
        await room.telegram.until_sent(2)
    assert [entry["event"] for entry in logs].count("telegram_away") == 1
    assert "while away" in room.telegram.sent[0].text


async def test_a_flood_limit_is_obeyed(room: Room) -> None:
    room.telegram.failures = [
        (
            429,
            {
                "ok": False,
                "error_code": 429,
                "description": "Too Many Requests: retry after 3",
                "parameters": {"retry_after": 3},
            },
        ),
        (502, {"ok": False, "error_code": 502, "description": "Bad Gateway"}),
    ]
    assert "shortseller" in await room.ask("/status")
    assert room.telegram.failures == []


async def test_a_refused_message_does_not_stop_the_next(room: Room) -> None:
    blocked = {"ok": False, "error_code": 403, "description": "Forbidden: bot was blocked"}
    room.telegram.failures = [(403, blocked)]
    async with room.running():
        await room.say("/status")
        await room.telegram.until_taken()
        await room.say("/bots")
        sent = await room.telegram.until_sent(1)
    assert "lxalgo_001" in sent[0].text


async def test_a_refused_token_ends_the_task_without_telling_it(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = TOKEN.replace("Fake", "Evil")
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(10):
            await room.build(token=wrong).run()
    assert [entry["event"] for entry in logs] == ["telegram_token_refused"]
    assert wrong not in str(logs) + caplog.text


async def test_the_token_is_in_no_log(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with structlog.testing.capture_logs() as logs:
        await room.ask("/status")
        await room.telegram.stop()
        async with room.running():
            async with asyncio.timeout(10):
                while not any(entry["event"] == "telegram_away" for entry in logs):
                    await asyncio.wait([asyncio.create_task(room.clock.sleep(1))])
    assert logs and TOKEN not in str(logs) + caplog.text
    assert "AAFake" not in str(logs) + caplog.text
