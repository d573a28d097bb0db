"""What limits and people want closed: closed once, until it is flat or within its limit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alpha.core.risk import Action, Kind
from alpha.trading.account import AccountStatus
from tests.trading.limited import BTC, ETH, ONE, TWO, WIDE, Limited, Start, rule

D = Decimal


async def _exits(crew: Limited, bot: str) -> list[tuple[str, str, Decimal]]:
    """Symbol, reason and quantity of a bot's exit orders that have traded."""
    await crew.life.stored()
    rows = await crew.pool.fetch(
        "SELECT symbol, close_reason, sum(exec_qty) AS qty FROM trading.fills "
        "WHERE bot_id = $1 AND effect = 'exit' GROUP BY symbol, close_reason, order_id",
        bot,
    )
    return [(row["symbol"], row["close_reason"], row["qty"]) for row in rows]


async def test_flatten_closes_until_flat_and_only_its_scope(limited: Start) -> None:
    crew = await limited()
    for symbol in (BTC, ETH):
        assert await crew.enter(ONE, symbol=symbol) == 1
    assert await crew.enter(TWO, symbol=ETH) == 1
    crew.risk.order(crew.scope(ONE), Action.FLATTEN, "root", "")
    crew.actions.step()
    crew.actions.step()
    await crew.look()
    assert crew.life.account.positions(ONE) == {}
    assert crew.held(TWO, ETH) == D("4.5")
    found = await _exits(crew, ONE)
    assert {(symbol, reason) for symbol, reason, _ in found} == {
        (BTC, "manual_exit"),
        (ETH, "manual_exit"),
    }
    assert sum(qty for *_, qty in found) == 9
    assert len([one for one in crew.exchange.creates if "-mx-" in one]) == 2, "each once"
    assert await crew.enter(ONE) == 0
    crew.risk.resume([crew.scope(ONE)], "root")
    assert await crew.enter(ONE) == 1


async def test_flatten_works_while_halted_and_takes_what_trades_later(limited: Start) -> None:
    crew = await limited()
    crew.risk.order(crew.scope("overall"), Action.HALT, "root", "")
    crew.risk.resume([crew.scope("overall")], "root")
    crew.exchange.faults.append("unanswered")  # nobody knows whether it has arrived
    assert crew.plan(ONE) == 1
    await crew.life.clock.sleep(0)
    crew.risk.order(crew.scope("overall"), Action.HALT, "root", "")
    crew.risk.order(crew.scope("account"), Action.FLATTEN, "root", "")
    for _ in range(5):
        await crew.look()
    assert crew.exchange.position(BTC) == 0 and crew.held(ONE) == 0


async def test_an_exit_that_the_exchange_refuses_is_tried_again(limited: Start) -> None:
    crew = await limited()
    assert await crew.enter(ONE) == 1
    crew.exchange.faults.extend(["refused", "refused"])
    crew.risk.order(crew.scope("overall"), Action.FLATTEN, "root", "")
    for _ in range(4):
        await crew.look()
    assert crew.held(ONE) == 0


async def test_what_comes_to_nothing_is_closed_less_and_less_often(
    limited: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = await limited()
    assert await crew.enter(TWO) == 1
    begun, tried = crew.clock.now_ms(), list[int]()
    with monkeypatch.context() as patched:
        patched.setattr(
            crew.life.service, "close", lambda *given: tried.append(crew.clock.now_ms() - begun)
        )
        crew.risk.order(crew.scope("overall"), Action.FLATTEN, "root", "")
        for _ in range(200):
            crew.actions.step()
            crew.clock.advance(500)
    assert [at // 1_000 for at in tried] == [0, 1, 3, 7, 15, 31, 61, 91]
    crew.clock.advance(30_000)
    await crew.look()
    assert crew.held(TWO) == 0


async def test_what_is_sent_again_anyway_is_not_closed_beside_it(limited: Start) -> None:
    crew = await limited()
    assert await crew.enter(TWO) == 1
    gateway = crew.life.service.gateway
    gateway._following.add((TWO, BTC))
    assert gateway.is_following(TWO, BTC) and not gateway.is_following(TWO, ETH)
    crew.risk.order(crew.scope("overall"), Action.FLATTEN, "root", "")
    await crew.look()
    assert crew.held(TWO) == D("4.5")
    gateway._following.clear()
    await crew.look()
    assert crew.held(TWO) == 0


@pytest.mark.parametrize("kind", [Kind.DAILY_LOSS, Kind.DRAWDOWN, Kind.GROSS_EXPOSURE])
async def test_a_broken_limit_flattens(limited: Start, kind: Kind) -> None:
    limit = {Kind.GROSS_EXPOSURE: "500"}.get(kind, "0.02")
    crew = await limited(**{ONE: (rule(kind, limit, Action.FLATTEN),)})
    assert crew.plan(ONE, stops=WIDE) == 1
    await crew.hear()
    assert await crew.enter(TWO, symbol=ETH) == 1
    await crew.tick("150" if kind is Kind.GROSS_EXPOSURE else "50")
    for _ in range(3):
        await crew.look()
    assert crew.held(ONE) == 0 and crew.held(TWO, ETH) == D("4.5")
    assert [one[1] for one in await _exits(crew, ONE)] == ["risk_limit"]
    assert crew.alerts[0].level == "CRITICAL"
    is_over = kind is Kind.GROSS_EXPOSURE
    assert crew.kinds() == ["risk_breach", "risk_resolved"][: 1 + is_over]
    assert await crew.enter(ONE, symbol=ETH) == is_over


async def test_reduce_closes_as_much_as_is_too_much(limited: Start) -> None:
    crew = await limited(
        overall=(
            rule(Kind.GROSS_EXPOSURE, "1000", Action.REDUCE),
            rule(Kind.LEVERAGE, "2"),
        )
    )
    assert crew.plan(ONE, stops=WIDE) == 1
    await crew.hear()
    assert crew.plan(TWO, symbol=ETH, stops=WIDE) == 1
    await crew.hear()
    await crew.tick("150")  # 675 and 450
    crew.risk.assess()
    crew.actions.step()
    crew.actions.step()
    await crew.hear()
    part = D(125) / D(1125)
    assert crew.held(ONE) == D("4.5") - (D("4.5") * part).quantize(D("0.001"), "ROUND_UP")
    assert crew.held(TWO, ETH) == crew.held(ONE)
    assert crew.held(ONE) * 150 + crew.held(TWO, ETH) * 100 <= 1000
    await crew.look()
    await crew.look()
    assert crew.kinds() == ["risk_breach", "risk_resolved"]
    assert len(await _exits(crew, ONE)) == len(await _exits(crew, TWO)) == 1


async def test_what_is_by_hand_counts_and_is_left_alone(limited: Start) -> None:
    crew = await limited(account=(rule(Kind.GROSS_EXPOSURE, "500"),))
    await crew.exchange.trade(ETH, "Buy", D(3), crew.exchange.now_ms + 1_000)
    await crew.hear()
    await crew.look()
    assert await crew.enter(ONE) == 0
    crew.risk.order(crew.scope("overall"), Action.FLATTEN, "root", "")
    for _ in range(2):
        await crew.look()
    assert crew.exchange.position(ETH) == 3


async def test_a_bot_that_is_not_part_of_this_run_is_closed_too(limited: Start) -> None:
    crew = await limited()
    assert await crew.enter(TWO) == 1
    crew.life.service.sessions.pop(TWO)
    crew.life.account.become(AccountStatus.SYNCING)
    crew.risk.order(crew.scope(TWO), Action.FLATTEN, "root", "")
    await crew.look()
    assert crew.held(TWO) == D("4.5"), "what it holds is not known yet"
    crew.life.account.become(AccountStatus.LIVE)
    for _ in range(2):
        await crew.look()
    assert crew.held(TWO) == 0 == crew.exchange.position(BTC)
