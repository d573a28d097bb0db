"""What goes wrong in a run, when and for how long: fixed by the seed before anything starts."""

from __future__ import annotations

import random  # noqa: TID251  a plan's randomness is its seed
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Json = Mapping[str, object]
Part = Literal["daemon", "exchange", "exchange_fault", "provoke", "postgres", "redis"]

#: Nothing goes wrong so soon after the start: positions have to be there first.
FIRST_AT_S = 2.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `detail` is what the part is told; times are seconds from the start."""

    name: str
    part: Part
    at_s: float
    for_s: float
    detail: Json = field(default_factory=dict)

    @property
    def end_s(self) -> float:
        return self.at_s + self.for_s

    def shown(self) -> dict[str, object]:
        return {
            "name": self.name,
            "at_s": self.at_s,
            "for_s": self.for_s,
            **({"detail": dict(self.detail)} if self.detail else {}),
        }


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: how long it lasts, and the fields of its detail, each drawn from a list."""

    name: str
    part: Part
    longest_s: float = 0.0
    shortest_s: float = 0.0
    fixed: Json = field(default_factory=dict)
    drawn: Mapping[str, Sequence[object]] = field(default_factory=dict)


SOCKETS = ("private", "public")
FRAMES = ("execution", "order", "position", None)
CREATE = "/v5/order/create"
MOST = {"probability": 0.7}


def _exchange(
    kind: str, longest_s: float, *, name: str = "", fixed: Json | None = None, **drawn: list[object]
) -> Kind:
    return Kind(
        name or kind, "exchange_fault", longest_s, 0.5, {"kind": kind, **(fixed or {})}, drawn
    )


def _codes(kind: str) -> list[Kind]:
    paths: list[object] = [CREATE, CREATE, "/v5/execution", "/v5/position", None, None]
    return [
        _exchange(
            kind, 3, name=f"{kind}_{code}", fixed={"code": code, "probability": 0.7}, path=paths
        )
        for code in (10006, 10016, 10000)
    ]


KINDS: tuple[Kind, ...] = (
    Kind("daemon_killed", "daemon"),
    Kind("daemon_killed_again", "daemon", 1.5, 0.2),
    Kind("daemon_lost", "daemon", 12, 9),
    Kind("daemon_stopped", "daemon", 6, 1),
    Kind("exchange_killed", "exchange", 2, 0),
    _exchange("close_socket", 0.5, socket=[*SOCKETS, None]),
    _exchange("refuse_socket", 4, socket=[*SOCKETS]),
    Kind(
        "socket_closed_and_refused", "exchange_fault", 4, 1,
        {"kind": "refuse_socket", "with_close": True}, {"socket": [*SOCKETS]},
    ),
    _exchange("freeze_socket", 6, socket=[*SOCKETS, None]),
    *(
        _exchange(kind, 4, fixed={"socket": "private", "probability": 0.6}, topic=[*FRAMES])
        for kind in ("lose_frames", "duplicate_frames", "reorder_frames")
    ),
    _exchange("delay_frames", 4, fixed={"socket": "private"}, topic=[*FRAMES], seconds=[0.2, 1, 3]),
    _exchange("lose_frames", 3, name="lose_bars", fixed={"socket": "public", "topic": "kline"}),
    _exchange("lose_reply", 3, fixed=MOST, path=[CREATE, CREATE, None]),
    _exchange("refuse", 3, fixed=MOST, path=[CREATE, CREATE, None]),
    *_codes("ret_code"),
    *_codes("ret_code_after"),
    _exchange("http_status", 3, fixed=MOST, path=[CREATE, None], code=[500, 502, 503]),
    _exchange("slow", 3, path=[CREATE, CREATE, None], seconds=[0.5, 2, 4]),
    _exchange("history_lag", 5, seconds=[1, 3]),
    _exchange("clock_skew", 3, ms=[-4000, 4000]),
    _exchange("maintenance", 5),
    Kind("funding", "provoke", fixed={"event": "funding"}),
    Kind("manual_order", "provoke", 0, 0, {"event": "manual_order"}, {"side": ["Buy", "Sell"]}),
    Kind("manual_close", "provoke", fixed={"event": "manual_close"}),
    Kind("liquidation", "provoke", fixed={"event": "liquidation"}),
    Kind("adl", "provoke", fixed={"event": "adl"}),
    *(
        Kind(f"{part}_{how}", part, 0.0 if how == "reset" else 6, 0.0 if how == "reset" else 1,
             {"how": how})
        for part in ("postgres", "redis")
        for how in ("cut", "stall", "half_open", "reset")
    ),
    Kind("redis_wiped", "redis", fixed={"how": "wipe"}),
)  # fmt: skip

NAMES = tuple(kind.name for kind in KINDS)


def random_plan(
    seed: int, until_s: float, markets: Sequence[tuple[str, str]], names: Sequence[str] = NAMES
) -> tuple[Fault, ...]:
    """Faults from FIRST_AT_S until `until_s`, by which all have ended. Every kind of `names` comes
    once before any comes twice. A quarter of them overlaps the one before. `markets` are the
    (account, symbol) pairs that events are provoked in."""
    rng = random.Random(seed)
    bag: list[Kind] = []
    faults: list[Fault] = []
    at_s = FIRST_AT_S
    while at_s < until_s:
        if not bag:
            bag = [kind for kind in KINDS if kind.name in names]
            rng.shuffle(bag)
        fault = _made(bag.pop(), rng, round(at_s, 2), until_s, markets)
        faults.append(fault)
        overlaps = rng.random() < 0.25
        at_s = (at_s + 0.5 if overlaps else fault.end_s) + rng.uniform(0.5, 4.0)
    return tuple(faults)


def single_plan(
    seed: int, every_s: float, markets: Sequence[tuple[str, str]], names: Sequence[str] = NAMES
) -> tuple[Fault, ...]:
    """Each kind once, alone, with `every_s` seconds of peace after its end."""
    rng = random.Random(seed)
    faults: list[Fault] = []
    at_s = FIRST_AT_S
    for kind in KINDS:
        if kind.name in names:
            fault = _made(kind, rng, round(at_s, 2), at_s + 60.0, markets)
            faults.append(fault)
            at_s = fault.end_s + every_s
    return tuple(faults)


def _made(
    kind: Kind,
    rng: random.Random,
    at_s: float,
    until_s: float,
    markets: Sequence[tuple[str, str]],
) -> Fault:
    lasts = round(rng.uniform(kind.shortest_s, kind.longest_s), 2)
    detail = {**kind.fixed, **{name: rng.choice(values) for name, values in kind.drawn.items()}}
    if kind.part == "provoke":
        account, symbol = rng.choice(markets)
        detail |= {"account": account, "symbol": symbol}
    return Fault(kind.name, kind.part, at_s, round(max(0.0, min(lasts, until_s - at_s)), 2), detail)
