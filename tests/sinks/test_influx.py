"""Points arrive as they were put in, and a server that fails holds nobody up."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from alpha.alerts import Alert, Alerts
from alpha.clock import ManualClock, SystemClock
from alpha.config import load
from alpha.core.events import Bar
from alpha.core.records import BookChange, Commit
from alpha.errors import ConfigError
from alpha.ledger.pool import Pool
from alpha.sim.proxy import FaultProxy
from alpha.sinks.influx import InfluxSink
from alpha.sinks.line import line
from alpha.sinks.points import Points
from tests.ledger.conftest import ACCOUNT, pool
from tests.ledger.samples import T0
from tests.sinks.victoria import victoria

__all__ = ["pool"]

D = Decimal


def sink_to(
    url: str, clock: ManualClock, *, max_waiting: int = 100
) -> tuple[InfluxSink, list[Alert]]:
    alerts, told = Alerts(clock), list[Alert]()
    alerts.listen(told.append)
    sink = InfluxSink(
        url,
        token="a-secret-token",
        org="alpha",
        bucket="trading",
        clock=clock,
        alerts=alerts,
        max_waiting=max_waiting,
    )
    return sink, told


@pytest.mark.parametrize(
    ("tags", "fields", "expected"),
    [
        ({"b": "x", "a": "y"}, {"v": D("1.50")}, "m,a=y,b=x v=1.5 7"),
        ({"a": "with space,=x"}, {"v": 3}, r"m,a=with\ space\,\=x v=3i 7"),
        ({"a": ""}, {"v": True}, "m v=true 7"),
        ({}, {"v": 'say "no" \\'}, r'm v="say \"no\" \\" 7'),
        ({"a": "tail\\"}, {"v": 1e-9}, r"m,a=tail\\ v=1e-09 7"),
        ({"a": "two\nlines"}, {"v": 1.0}, r"m,a=two\ lines v=1.0 7"),
        ({}, {"v": float("nan"), "w": None}, ""),
        ({}, {"v": D("NaN"), "w": D("0.1")}, "m w=0.1 7"),
    ],
)
def test_lines(tags: dict[str, str], fields: dict[str, object], expected: str) -> None:
    assert line("m", tags, fields, 7) == expected  # type: ignore[arg-type]


def test_a_measurement_is_escaped() -> None:
    assert line("a b,c=d", {}, {"f g": 1}, 1) == r"a\ b\,c=d f\ g=1i 1"


async def test_numbers_come_back_equal(tmp_path: Path, pool: Pool) -> None:
    async with victoria(tmp_path) as server:
        sink, told = sink_to(server.url, ManualClock(T0))
        points = Points(sink, "paper")
        bars = [
            Bar(
                "BTCUSDT",
                60_000,
                T0 + n * 60_000,
                100.1 + n,
                101.25,
                99.5,
                100.7,
                12.345,
                4321.0625,
            )
            for n in range(3)
        ]
        for bar in bars:
            points.bar(bar)
        fills = await stored_fills(pool)
        points.committed([Commit(ACCOUNT, change=fills)], 1)
        points.committed([Commit(ACCOUNT, change=fills)], 2)  # again, as after a correction
        points.bot(
            "we ird,=bot",
            ACCOUNT,
            wallet=D("1000.12345678"),
            equity=D("998.00000001"),
            realised=D("-3.5"),
            exposure=D(70),
            positions=2,
            at_ms=T0,
        )
        await sink.flush()
        assert (sink.waiting, sink.dropped, sink.refused, told) == (0, 0, 0, [])
        for name in ("open", "high", "low", "close", "volume", "turnover"):
            ((labels, values),) = await server.series(f"bar_{name}")
            assert labels["symbol"] == "BTCUSDT" and labels["interval"] == "1m"
            assert values == {bar.start_ms: getattr(bar, name) for bar in bars}
        found = await server.series("fill_qty")
        assert sum(v for _, values in found for v in values.values()) == float(
            sum(fill.qty for fill in fills.fills)
        )
        assert sum(len(values) for _, values in found) == len(fills.fills)
        assert {labels["bot"] for labels, _ in found} == {fill.bot_id for fill in fills.fills}
        ((labels, values),) = await server.series("equity_equity")
        assert labels["bot"] == "we ird,=bot" and values == {T0: 998.00000001}
        ((_, values),) = await server.series("pnl_unrealised")
        assert values == {T0: float(D("998.00000001") - D("1000.12345678"))}
        ((_, values),) = await server.series("pnl_positions")
        assert values == {T0: 2}


async def stored_fills(pool: Pool) -> BookChange:
    """Fills of a real fold, two of them of one moment."""
    from alpha.core.book import Book
    from tests.ledger.fifo import history
    from tests.ledger.test_views import RULES

    return Book(ACCOUNT, "BTCUSDT").add(list(history(1, "BTCUSDT", 20)), RULES)


# -- a server that fails --------------------------------------------------------------------------


@asynccontextmanager
async def server(answer: Callable[[list[str]], web.Response]) -> AsyncIterator[tuple[str, int]]:
    """Answers writes by what lines are in them."""

    async def write(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Token a-secret-token"
        assert dict(request.query) == {"bucket": "trading", "org": "alpha", "precision": "ms"}
        body = await request.read()
        text = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        return answer(text.decode().splitlines())

    app = web.Application()
    app.router.add_post("/api/v2/write", write)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        yield f"http://127.0.0.1:{port}", port
    finally:
        await runner.cleanup()


def put(sink: InfluxSink, numbers: range) -> None:
    for number in numbers:
        sink.put("m", {"n": str(number)}, {"v": number}, T0)


async def test_an_outage_is_told_once_and_the_newest_are_kept() -> None:
    taken: list[str] = []
    status = 500

    def answer(lines: list[str]) -> web.Response:
        if status == 204:
            taken.extend(lines)
        return web.Response(status=status, text="no room")

    clock = ManualClock(T0)
    async with server(answer) as (url, _):
        sink, told = sink_to(url, clock, max_waiting=5)
        put(sink, range(4))
        await sink.flush()
        assert told == [] and sink.waiting == 4
        for _ in range(5):
            clock.advance(61_000)
            put(sink, range(4, 7))
            await sink.flush()
        assert [(one.kind, one.level) for one in told] == [("sink_away", "ERROR")]
        assert "status 500" in told[0].message and "a-secret-token" not in told[0].message
        assert (sink.waiting, sink.dropped) == (5, 14)
        status = 204
        await sink.flush()
        assert taken == [], "it asks again after a pause only"
        clock.advance(61_000)
        await sink.flush()
        assert len(taken) == 5 and (sink.waiting, sink.sent) == (0, 5)


async def test_one_wrong_point_takes_along_no_other() -> None:
    taken: list[str] = []

    def answer(lines: list[str]) -> web.Response:
        if any(",n=7 " in one for one in lines):
            return web.Response(status=400, text="field type conflict")
        taken.extend(lines)
        return web.Response(status=204)

    async with server(answer) as (url, _):
        sink, told = sink_to(url, ManualClock(T0))
        put(sink, range(20))
        await sink.flush()
        await sink.flush()
        assert (sink.refused, sink.sent, sink.waiting, told) == (1, 19, 0, [])
        assert len(set(taken)) == 19


async def test_a_server_that_stalls_refuses_or_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alpha.sinks.influx.ANSWER_WITHIN_S", 0.2)
    taken: list[str] = []

    def answer(lines: list[str]) -> web.Response:
        taken.extend(lines)
        return web.Response(status=204)

    clock = ManualClock(T0)
    async with server(answer) as (_, port):
        proxy = FaultProxy("127.0.0.1", port)
        own = await proxy.start()
        sink, _ = sink_to(f"http://127.0.0.1:{own}", clock)
        try:
            put(sink, range(3))
            for fail in (proxy.stall, proxy.half_open, proxy.cut):
                fail()
                began = SystemClock().monotonic()
                await sink.flush()
                assert SystemClock().monotonic() - began < 3
                assert sink.waiting == 3
                clock.advance(61_000)
                proxy.heal()
            await sink.flush()
            # What a stalled connection held may have come late: the same points again.
            assert len(set(taken)) == 3 and sink.waiting == 0
        finally:
            await proxy.stop()
    clock.advance(61_000)
    put(sink, range(1))
    await sink.flush()  # nobody listens any more
    assert sink.waiting == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("url = 'http://h:8086'", "sinks.influx.bucket"),
        ("url = 'h:8086'\nbucket = 'b'", "sinks.influx.url"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "alpha.toml"
    file.write_text(f"[sinks.influx]\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        load(file, {}, {})
