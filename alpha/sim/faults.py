"""Faults as switches: what the simulator does wrong, when, to whom, and how often.

A fault is plain data (`Fault`); `Faults` keeps those that were asked for, starts and ends them
on the wall clock, and is asked by every part of the server that can fail. What a fault with a
probability strikes is drawn from a seed, so the same seed strikes the same frames and requests.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple, Protocol, get_args

import msgspec
import structlog

from alpha.clock import Clock
from alpha.sim.draw import Draw

log = structlog.get_logger(__name__)

SocketName = Literal["private", "public", "trade"]
FrameKind = Literal["lose_frames", "delay_frames", "duplicate_frames", "reorder_frames"]
SocketKind = Literal["close_socket", "refuse_socket", "freeze_socket"]
RequestKind = Literal["lose_reply", "refuse", "ret_code", "ret_code_after", "http_status", "slow"]
OtherKind = Literal["history_lag", "clock_skew", "maintenance"]
Kind = Literal[SocketKind, FrameKind, RequestKind, OtherKind]

_SOCKET = frozenset(get_args(SocketKind))
_FRAME = frozenset(get_args(FrameKind))
_REQUEST = frozenset(get_args(RequestKind))

#: How long the simulator remembers when a row became known; the longest lag of history.
LAG_MAX_S = 120.0
#: A frame held back for the next one goes after this long if none comes and no time is given.
REORDER_S = 0.2
LAGGING = ("/v5/execution/list", "/v5/order/history")
_CHANCES = 1_000_000


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that goes wrong.

    `socket`, `key`, `topic` and `path` narrow down what it concerns, None is everything;
    `topic` and `path` are prefixes. It starts `after_s` seconds of wall time from now and ends
    `for_s` seconds after that (None: never) or after `count` hits (None: no limit).
    `seconds` is the time of a delay, `code` a retCode or an HTTP status, `ms` a clock's error.
    """

    kind: Kind
    socket: SocketName | None = None
    key: str | None = None
    topic: str | None = None
    path: str | None = None
    probability: float = 1.0
    count: int | None = None
    after_s: float = 0.0
    for_s: float | None = None
    seconds: float = 0.0
    code: int = 0
    ms: int = 0

    def concerns(self, socket: str, key: str) -> bool:
        return self.socket in (None, socket) and self.key in (None, key)

    def checked(self) -> Fault:
        """Itself; raises `ValueError` with one sentence about the first field that is wrong."""
        kind = self.kind
        _need(0 <= self.probability <= 1, kind, "probability from 0 to 1", self.probability)
        _need(self.count is None or self.count > 0, kind, "count above 0", self.count)
        _need(self.after_s >= 0, kind, "after_s of 0 or more", self.after_s)
        _need(self.for_s is None or self.for_s > 0, kind, "for_s above 0", self.for_s)
        _need(self.seconds >= 0, kind, "seconds of 0 or more", self.seconds)
        socketed = kind in _SOCKET or kind in _FRAME
        _need(socketed or self.socket is None, kind, "no socket", self.socket)
        _need(kind in _FRAME or self.topic is None, kind, "no topic", self.topic)
        pathed = kind in _REQUEST or kind == "history_lag"
        _need(pathed or self.path is None, kind, "no path", self.path)
        _need(socketed or pathed or self.key is None, kind, "no key", self.key)
        if kind in ("ret_code", "ret_code_after"):
            _need(self.code > 0, kind, "code, a retCode above 0", self.code)
        if kind == "http_status":
            _need(400 <= self.code <= 599, kind, "code from 400 to 599", self.code)
        if kind in ("delay_frames", "slow", "history_lag"):
            _need(self.seconds > 0, kind, "seconds above 0", self.seconds)
        if kind == "history_lag":
            _need(self.seconds <= LAG_MAX_S, kind, f"seconds up to {LAG_MAX_S:g}", self.seconds)
        if kind == "clock_skew":
            _need(self.ms != 0, kind, "ms other than 0", self.ms)
        if kind in ("clock_skew", "maintenance"):
            whole = self.count is None and self.probability == 1
            _need(whole, kind, "neither count nor probability", (self.count, self.probability))
        return self


def _need(held: bool, kind: str, expected: str, found: object) -> None:
    if not held:
        raise ValueError(f"{kind}: expected {expected}, was {found!r}")


class FaultPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of faults or a request to add some holds; no seed keeps the one in use."""

    faults: list[Fault]
    seed: int | None = None

    @staticmethod
    def decoded(data: bytes) -> FaultPlan:
        """Raises `ValueError` with one sentence if the JSON is not a plan of possible faults."""
        plan = msgspec.json.decode(data, type=FaultPlan)
        for fault in plan.faults:
            fault.checked()
        return plan


class Listener(Protocol):
    """A connected socket, as far as faults concern it."""

    kind: str
    account: str

    def send(self, frame: bytes, *, droppable: bool = False) -> None: ...

    def cut(self, reason: str, *, stuck: bool = False) -> None: ...

    def hold(self) -> None: ...

    def release(self) -> None: ...


class Recorded(NamedTuple):
    """What became known at one moment: ids of executions, of new and of changed orders."""

    at_s: float
    executions: frozenset[str]
    created: frozenset[str]
    changed: frozenset[str]


class Switch:
    """A fault in use: when it begins and ends, how often it has struck."""

    def __init__(self, number: int, fault: Fault, now_s: float, draw: Draw) -> None:
        self.number = number
        self.fault = fault
        self.hits = 0
        self.begins_s = now_s + fault.after_s
        self.ends_s = None if fault.for_s is None else self.begins_s + fault.for_s
        self.begun = False
        self.over = False
        self.frozen: list[Listener] = []
        self._draw = draw

    @property
    def active(self) -> bool:
        return self.begun and not self.over

    @property
    def spent(self) -> bool:
        return self.fault.count is not None and self.hits >= self.fault.count

    def strikes(self) -> bool:
        """Whether it strikes the next thing that it concerns; counts the hit."""
        if not self.active or self.spent:
            return False
        chance = self.fault.probability
        if chance < 1 and self._draw.below(_CHANCES) >= chance * _CHANCES:
            return False
        self.hits += 1
        return True

    def shown(self) -> dict[str, object]:
        fields = msgspec.structs.asdict(self.fault)
        active = self.active and not self.spent
        return {"id": self.number, **fields, "hits": self.hits, "active": active}


class Faults:
    """All faults of one running simulator."""

    def __init__(self, clock: Clock, seed: int = 1) -> None:
        self._clock = clock
        self._seed = seed
        self._drawn = 0
        self._issued = 0
        self._switches: dict[int, Switch] = {}
        self._active: tuple[Switch, ...] = ()
        self._sockets: Collection[Listener] = ()
        self._held: dict[Listener, tuple[bytes, bool]] = {}
        self._recorded: deque[Recorded] = deque()
        self._changed = asyncio.Event()

    def watch(self, sockets: Collection[Listener]) -> None:
        """Names the collection in which the open sockets are kept."""
        self._sockets = sockets

    # -- the switches ---------------------------------------------------------------------

    def add(self, *faults: Fault, seed: int | None = None) -> list[int]:
        """Adds faults and returns their ids; raises `ValueError` and adds none if one is wrong.

        A seed begins a new series of draws, in which the nth fault always draws the same.
        """
        for fault in faults:
            fault.checked()
        if seed is not None:
            self._seed, self._drawn = seed, 0
        ids: list[int] = []
        for fault in faults:
            self._issued += 1
            self._drawn += 1
            draw = Draw("fault", self._seed, self._drawn)
            switch = Switch(self._issued, fault, self._clock.monotonic(), draw)
            self._switches[switch.number] = switch
            ids.append(switch.number)
        self._turn()
        self._changed.set()
        return ids

    def clear(self, id: int | None = None) -> None:
        """Ends and forgets all faults, or one; raises `KeyError` if there is none of that id."""
        for number in [id] if id is not None else list(self._switches):
            self._finish(self._switches.pop(number))
        self._turn()
        self._changed.set()

    def shown(self) -> list[dict[str, object]]:
        """Every fault with its id, hits, and whether it is active; in order of ids."""
        return [switch.shown() for switch in self._switches.values()]

    async def run(self) -> None:
        """Begins and ends faults at their time, until cancelled."""
        while True:
            self._changed.clear()
            wait_s = self._turn()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    def _turn(self) -> float | None:
        """Begins and ends what is due; seconds until the next is, None if nothing comes."""
        now_s = self._clock.monotonic()
        due: list[float] = []
        for switch in self._switches.values():
            if switch.over:
                continue
            if not switch.begun and now_s >= switch.begins_s:
                self._begin(switch)
            if switch.ends_s is not None and now_s >= switch.ends_s:
                self._finish(switch)
            elif not switch.begun:
                due.append(switch.begins_s)
            elif switch.ends_s is not None:
                due.append(switch.ends_s)
        self._active = tuple(s for s in self._switches.values() if s.active)
        return max(min(due) - now_s, 0.0) if due else None

    def _begin(self, switch: Switch) -> None:
        switch.begun = True
        fault = switch.fault
        log.info("fault begins", fault=switch.number, kind=fault.kind)
        if fault.kind == "clock_skew":
            switch.hits = 1
        if fault.kind not in ("close_socket", "freeze_socket", "maintenance"):
            return
        for socket in tuple(self._sockets):
            if fault.concerns(socket.kind, socket.account) and switch.strikes():
                if fault.kind == "freeze_socket":
                    socket.hold()
                    switch.frozen.append(socket)
                else:
                    socket.cut(f"fault {switch.number}: {fault.kind}", stuck=True)
        if fault.kind == "close_socket":
            self._finish(switch)

    def _finish(self, switch: Switch) -> None:
        if switch.active:
            log.info("fault ends", fault=switch.number, kind=switch.fault.kind, hits=switch.hits)
        switch.over = True
        for socket in switch.frozen:
            socket.release()
        switch.frozen.clear()

    # -- sockets --------------------------------------------------------------------------

    def refuses(self, socket: str, key: str | None) -> bool:
        """Whether a new connection is refused; key None before it has said whose it is."""
        for switch in self._active:
            fault = switch.fault
            if fault.kind == "maintenance" and key is None and switch.strikes():
                return True
            if fault.kind != "refuse_socket" or fault.socket not in (None, socket):
                continue
            # A fault for one key can strike only where the key is known, one for all only once.
            if fault.key == key and switch.strikes():
                return True
        return False

    def carry(self, to: Listener, topic: str, frame: bytes, droppable: bool) -> None:
        """Takes a frame of data to a socket, unless, or otherwise than, a fault has it."""
        struck = self._struck_frame(to, topic) if self._active else ()
        kinds = [fault.kind for fault in struck]
        if "lose_frames" in kinds:
            return
        delay_s = sum(fault.seconds for fault in struck if fault.kind == "delay_frames")
        for _ in range(1 + kinds.count("duplicate_frames")):
            if delay_s:
                loop = asyncio.get_running_loop()
                loop.call_later(delay_s, self._deliver, to, frame, droppable)
            elif "reorder_frames" in kinds and to not in self._held:
                waits = [fault.seconds for fault in struck if fault.kind == "reorder_frames"]
                self._held[to] = (frame, droppable)
                asyncio.get_running_loop().call_later(max(waits) or REORDER_S, self._let_go, to)
            else:
                self._deliver(to, frame, droppable)

    def _struck_frame(self, to: Listener, topic: str) -> list[Fault]:
        struck: list[Fault] = []
        for switch in self._active:
            fault = switch.fault
            if (
                fault.kind in _FRAME
                and topic.startswith(fault.topic or "")
                and fault.concerns(to.kind, to.account)
                and not (fault.kind == "reorder_frames" and to in self._held)
                and switch.strikes()
            ):
                struck.append(fault)
                if fault.kind == "lose_frames":
                    break
        return struck

    def _deliver(self, to: Listener, frame: bytes, droppable: bool) -> None:
        to.send(frame, droppable=droppable)
        self._let_go(to)

    def _let_go(self, to: Listener) -> None:
        """Sends what was held back until another frame had gone before it."""
        held = self._held.pop(to, None)
        if held is not None:
            frame, droppable = held
            to.send(frame, droppable=droppable)

    # -- requests -------------------------------------------------------------------------

    def request(self, kind: RequestKind, path: str, key: str) -> Fault | None:
        """The fault of this kind that strikes a REST request, if one does."""
        for switch in self._active:
            fault = switch.fault
            if (
                fault.kind == kind
                and path.startswith(fault.path or "")
                and fault.key in (None, key)
                and switch.strikes()
            ):
                return fault
        return None

    def closed(self) -> bool:
        """Whether the exchange is in maintenance for the request that asks."""
        return any(s.fault.kind == "maintenance" and s.strikes() for s in self._active)

    @property
    def skew_ms(self) -> int:
        """How far the server's idea of wall time is off."""
        return sum(s.fault.ms for s in self._active if s.fault.kind == "clock_skew")

    # -- history --------------------------------------------------------------------------

    def record(
        self, executions: Iterable[str], created: Iterable[str], changed: Iterable[str]
    ) -> None:
        """Notes that rows have just become known: ids of executions and of orders."""
        now_s = self._clock.monotonic()
        self._recorded.append(
            Recorded(now_s, frozenset(executions), frozenset(created), frozenset(changed))
        )
        while self._recorded and self._recorded[0].at_s < now_s - LAG_MAX_S:
            self._recorded.popleft()

    def hidden(self, path: str, key: str) -> frozenset[str]:
        """Ids of the rows that a path may not show yet: executions, or orders."""
        lag_s = 0.0
        for switch in self._active:
            fault = switch.fault
            if fault.kind != "history_lag" or fault.key not in (None, key):
                continue
            meant = path in LAGGING if fault.path is None else path.startswith(fault.path)
            if meant and switch.strikes():
                lag_s = max(lag_s, fault.seconds)
        if not lag_s:
            return frozenset()
        since_s = self._clock.monotonic() - lag_s
        recent = [r for r in self._recorded if r.at_s > since_s]
        if path == "/v5/execution/list":
            return frozenset().union(*(r.executions for r in recent))
        if path == "/v5/order/realtime":
            return frozenset().union(*(r.created for r in recent))
        return frozenset().union(*(r.changed for r in recent))


class SkewedClock:
    """The wall clock as the exchange shows it: right, but for the faults of `clock_skew`."""

    def __init__(self, wall: Clock, faults: Faults) -> None:
        self._wall = wall
        self._faults = faults

    def now_ms(self) -> int:
        return self._wall.now_ms() + self._faults.skew_ms

    def monotonic(self) -> float:
        return self._wall.monotonic()

    def perf_ns(self) -> int:
        return self._wall.perf_ns()

    async def sleep(self, seconds: float) -> None:
        await self._wall.sleep(seconds)
