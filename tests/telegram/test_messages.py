"""Texts cut into messages: nothing lost, nothing too long, nothing broken."""

from __future__ import annotations

import asyncio
from html import unescape
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from telegram import Bot
from telegram.request import HTTPXRequest

from alpha.clock import ManualClock
from alpha.telegram.messages import MAX_UNITS, pages, units
from alpha.telegram.offset import Offset
from alpha.telegram.outbox import KEEP_S, Outbox
from alpha.telegram.redact import redact
from tests.telegram.conftest import ADMIN
from tests.telegram.stand_in import TOKEN, StandIn
from tests.until import until

LINES = st.lists(
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=60).map(
        lambda line: line * 40 if len(line) > 40 else line
    ),
    max_size=120,
)


@given(LINES)
def test_pages_hold_every_character_within_the_limit(lines: list[str]) -> None:
    made = pages("\n".join(lines))
    assert all(units(page) <= MAX_UNITS for page in made)
    assert all(page.startswith("<pre>") and page.endswith("</pre>") for page in made)
    inside = [page[len("<pre>") : -len("</pre>")] for page in made]
    assert not any("<" in page or ">" in page for page in inside)
    shown = "".join(unescape(page) for page in inside).replace("\n", "")
    assert shown == "".join(lines)


def test_a_line_ends_a_page_where_it_fits() -> None:
    lines = [f"{number:04d} " + "x" * 90 for number in range(100)]
    for page in pages("\n".join(lines)):
        assert page[5:-6].split("\n")[0][:4].isdigit()
        assert all(len(line) == 95 for line in page[5:-6].split("\n"))


def test_nothing_makes_no_message() -> None:
    assert pages("") == [] and pages("\n\n") == []


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_token_is_redacted_wherever_it_stands(before: str, after: str) -> None:
    assert TOKEN not in redact(f"{before}/bot{TOKEN}/getMe{after}", TOKEN)
    assert "AAFakeTokenForTests" not in redact(f"{before} {TOKEN} {after}", "")


def test_an_offset_belongs_to_one_bot(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "offset.json"
    first = Offset(path, "111")
    assert first.value is None
    first.advance(7)
    first.advance(5)
    assert Offset(path, "111").value == 8
    assert Offset(path, "222").value is None
    path.write_text("rubbish", encoding="ascii")
    assert Offset(path, "111").value is None


async def test_an_alert_waits_for_telegram_longer_than_an_answer() -> None:
    telegram, clock = StandIn(), ManualClock()
    await telegram.start()
    await telegram.stop()  # its port stays
    request = HTTPXRequest()
    outbox = Outbox(Bot(TOKEN, base_url=f"{telegram.url}/bot", request=request), clock)
    outbox.put(ADMIN, "an answer")
    outbox.put(ADMIN, "an alert", keep_s=86_400)
    sending = asyncio.create_task(outbox.run())
    try:
        await until(lambda: outbox.dropped == 1, "the answer to be given up")
        await telegram.start()
        (sent,) = await telegram.until_sent(1)
        assert "an alert" in sent.text and clock.monotonic() > KEEP_S
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await request.shutdown()
        await telegram.stop()
