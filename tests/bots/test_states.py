from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.bots.states import BotState, StateMachine

STEPS = ("start", "ready", "warming", "pause", "reduce_only", "lift", "fail", "disable")


def step(machine: StateMachine, name: str) -> bool:
    if name in ("warming", "pause", "reduce_only", "fail"):
        return bool(getattr(machine, name)(name))
    return bool(getattr(machine, name)())


@pytest.mark.parametrize(
    ("steps", "state", "reason"),
    [
        ("", "disabled", ""),
        ("start", "starting", ""),
        ("start warming", "warming", "warming"),
        ("start warming ready", "running", ""),
        ("start ready pause", "paused", "pause"),
        ("start ready pause start", "running", ""),
        ("start pause ready start", "running", ""),
        ("start pause start", "warming", ""),
        ("start ready reduce_only", "reduce_only", "reduce_only"),
        ("start ready reduce_only lift", "running", ""),
        ("start ready reduce_only pause lift", "paused", "pause"),
        ("start ready reduce_only pause start", "reduce_only", "reduce_only"),
        ("start reduce_only ready", "reduce_only", "reduce_only"),
        ("start ready fail", "failed", "fail"),
        ("start ready fail pause reduce_only lift ready", "failed", "fail"),
        ("start ready fail start", "starting", ""),
        ("start ready disable", "disabled", ""),
        ("pause reduce_only fail ready lift", "disabled", ""),
        ("pause start", "paused", "pause"),
        ("pause start ready start", "running", ""),
        ("start ready disable pause start disable start", "starting", ""),
    ],
)
def test_transitions(steps: str, state: str, reason: str) -> None:
    machine = StateMachine()
    for name in steps.split():
        step(machine, name)
    assert (machine.state, machine.reason) == (state, reason)


@given(st.lists(st.sampled_from(STEPS), max_size=12))
def test_entries_only_from_a_started_warmed_unrestricted_bot(steps: list[str]) -> None:
    machine = StateMachine()
    for name in steps:
        before = (machine.state, machine.reason)
        changed = step(machine, name)
        assert changed == ((machine.state, machine.reason) != before)
    if machine.state.takes_entries:
        last_stop = max((i for i, s in enumerate(steps) if s in ("fail", "disable")), default=-1)
        assert "start" in steps[last_stop + 1 :]
        assert machine.warmed
    assert machine.state.calls_hooks == (machine.state not in ("disabled", "failed"))


def test_which_states_mend_themselves() -> None:
    assert [state for state in BotState if state.recoverable] == [
        "starting",
        "warming",
        "reduce_only",
    ]


@pytest.mark.parametrize(
    ("steps", "stopped"),
    [
        ("start ready pause", "pause"),
        ("start ready pause fail", "pause"),
        ("start ready fail pause", "pause"),
        ("pause", "pause"),
        ("pause start fail", "pause"),
        ("pause start start", None),
        ("start ready pause fail start", None),
        ("start ready pause start fail", None),
        ("start ready fail", None),
    ],
)
def test_a_failure_does_not_undo_a_stop(steps: str, stopped: str | None) -> None:
    machine = StateMachine()
    for name in steps.split():
        step(machine, name)
    assert machine.stopped == stopped
