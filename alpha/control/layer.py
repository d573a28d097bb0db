"""The one way to run a verb: role, arguments, the act, the audit row."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from alpha.clock import Clock
from alpha.control.desk import CommandRecord, Desk
from alpha.control.verbs import Answer, Role, Verb, find_bot, verb_named
from alpha.errors import AlphaError


class Forbidden(AlphaError):
    """The actor's role does not allow the verb."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, over which face."""

    channel: Literal["cli", "telegram", "rest", "internal"]
    name: str
    role: Role


class Control:
    """Runs verbs on a desk. Acting verbs, and refusals, are written to the audit log."""

    def __init__(self, desk: Desk, clock: Clock) -> None:
        self.desk = desk
        self._clock = clock

    async def run(self, name: str, arguments: Mapping[str, str], actor: Actor) -> Answer:
        """`arguments` are texts by name. Raises AlphaError with one line that says why not."""
        verb = verb_named(name)
        if not verb.allows(actor.role):
            await self._audit(verb, arguments, actor, "refused", "role", None)
            raise Forbidden(f"{name}: expected the role {verb.role}, was {actor.role}")
        if not verb.acts:
            return await self._act(verb, arguments, actor)
        started = self._clock.monotonic()
        try:
            answer = await self._act(verb, arguments, actor)
        except AlphaError as error:
            await self._audit(verb, arguments, actor, "refused", str(error), started)
            raise
        except BaseException as error:
            # Cut off by its time, or by an error of ours: it may have acted all the same.
            why = f"not finished: {type(error).__name__}"
            await self._audit(verb, arguments, actor, "allowed", why, started)
            raise
        await self._audit(verb, arguments, actor, "allowed", answer.text, started)
        return answer

    async def _act(self, verb: Verb, arguments: Mapping[str, str], actor: Actor) -> Answer:
        given = dataclasses.replace(verb.read(arguments), operator=actor.name)
        if given.bot is not None:
            given = dataclasses.replace(given, bot=await find_bot(self.desk, given.bot))
        return await verb.handler(self.desk, given)

    async def _audit(
        self,
        verb: Verb,
        arguments: Mapping[str, str],
        actor: Actor,
        decision: Literal["allowed", "refused"],
        result: str,
        started: float | None,
    ) -> None:
        took = None if started is None else (self._clock.monotonic() - started) * 1000
        await self.desk.audit(
            CommandRecord(
                actor.channel, actor.name, verb.name, dict(arguments), decision, result, took
            )
        )
