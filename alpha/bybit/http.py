"""One signed HTTP exchange: pace, stamp, sign, send, read the envelope, class the answer.

What is signed is what is sent: queries are built once as raw text and never parsed again (a URL
library that decodes %3A breaks the signature), bodies are bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
import msgspec
import structlog
from yarl import URL

from alpha.bybit.codes import ErrorClass, classify, error_for
from alpha.bybit.fields import MalformedFrame, without_secrets
from alpha.bybit.limiter import Limiter, Priority
from alpha.bybit.signing import Credentials, sign_rest
from alpha.clock import Clock
from alpha.errors import AlphaError, OutcomeUnknown, RetryLater

log = structlog.get_logger(__name__)

#: Of writes: another owner of the account sends nothing before this and a second for the clocks
#: have passed, so that nothing of the earlier owner arrives in its time.
WRITE_RECV_WINDOW_MS = 2500
#: Told `Clock.perf_ns` as the bytes of a request leave.
SentHook = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class NotSent(Exception):
    """No connection came about: nothing reached the exchange."""


class ConnectionLost(Exception):
    """The request may have arrived; its answer did not."""


class Transport(Protocol):
    """Sends one request and returns the answer. Raises NotSent or ConnectionLost."""

    async def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpAnswer: ...


class AiohttpTransport:
    """The transport over an aiohttp session that the caller owns and closes."""

    def __init__(self, session: aiohttp.ClientSession, *, timeout_s: float = 5.0) -> None:
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=timeout_s / 2)

    async def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpAnswer:
        try:
            async with self._session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=body,
                timeout=self._timeout,
                allow_redirects=False,
            ) as answer:
                return HttpAnswer(answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as e:
            raise NotSent(str(e)) from e
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise ConnectionLost(f"{type(e).__name__}: {e}") from e


class _Envelope(msgspec.Struct):
    retCode: int
    retMsg: str | None = None
    result: msgspec.Raw = msgspec.Raw()


_ENVELOPE = msgspec.json.Decoder(_Envelope)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `payload` is the raw query of a read or the raw body of a write."""

    method: str
    path: str
    payload: bytes = b""
    priority: Priority = Priority.OTHER
    signed: bool = True
    on_sent: SentHook | None = None
    #: Why it must not leave any more, asked last of all: it may have queued for its turn.
    refusal: Callable[[], str | None] | None = None

    @property
    def write(self) -> bool:
        return self.method == "POST"


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer: the raw `result` and the stamps of its way."""

    result: bytes
    error_class: ErrorClass  # OK or ALREADY
    sent_ns: int
    answered_ns: int
    raw: bytes = field(repr=False)

    @property
    def changed(self) -> bool:
        """False when the wanted state held already."""
        return self.error_class is ErrorClass.OK


class HttpClient:
    """Sends calls for one key. Writes are sent once; the one repetition is a stamp that the
    exchange found stale, and only where the stamp was ours to take. `may_write` is asked before
    each write, after its stamp was taken."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials | None,
        *,
        clock: Clock,
        limiter: Limiter,
        transport: Transport,
        recv_window_ms: int,
        may_write: Callable[[], bool] | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._clock = clock
        self._limiter = limiter
        self._transport = transport
        self._recv_window_ms = recv_window_ms
        self._may_write = may_write

    async def send(self, call: Call) -> Reply:
        """The answer to `call`.

        Raises RetryLater, OutcomeUnknown, VenueRejected (and its kinds) or MalformedFrame."""
        reply = await self._send_once(call)
        if not isinstance(reply, Reply) and reply.clock:
            log.warning("stamp refused, sending once more", action=call.path)
            reply = await self._send_once(call)
        if isinstance(reply, Reply):
            return reply
        if reply.clock:
            log.error(
                "the exchange refused the time stamp; expected a synchronised clock, "
                "check this machine's time service",
                action=call.path,
                problem=str(reply.error),
            )
        raise reply.error

    async def _send_once(self, call: Call) -> Reply | _Refused:
        await self._limiter.acquire(call.path, call.priority)
        url, headers = self._prepared(call)
        # After the stamp: what passes here and leaves late, the exchange refuses.
        if call.write and self._may_write is not None and not self._may_write():
            raise RetryLater(
                f"{call.path}: expected to hold the account's lease, held none; nothing was sent"
            )
        why = call.refusal() if call.refusal is not None else None
        if why is not None:
            raise RetryLater(f"{call.path}: {why}; nothing was sent")
        body = call.payload if call.write else None
        sent_ns = self._clock.perf_ns()
        if call.on_sent is not None:
            call.on_sent(sent_ns)
        try:
            answer = await self._transport(call.method, url, headers, body)
        except NotSent as e:
            raise RetryLater(f"expected {self._base_url} to answer, was {e}; try again") from e
        except ConnectionLost as e:
            raise self._lost(call, str(e)) from e
        answered_ns = self._clock.perf_ns()
        self._limiter.observe(call.path, answer.headers)
        return self._judged(call, answer, sent_ns, answered_ns)

    def _prepared(self, call: Call) -> tuple[str, dict[str, str]]:
        url = f"{self._base_url}{call.path}"
        if not call.write and call.payload:
            url = f"{url}?{call.payload.decode('ascii')}"
        headers = {"Content-Type": "application/json"} if call.write else {}
        if not call.signed:
            return url, headers
        if self._credentials is None:
            raise ValueError(f"expected credentials for {call.path}, was none")
        stamp = self._clock.now_ms()  # now that its turn has come: it may have queued for seconds
        window = WRITE_RECV_WINDOW_MS if call.write else self._recv_window_ms
        headers["X-BAPI-API-KEY"] = self._credentials.api_key
        headers["X-BAPI-TIMESTAMP"] = str(stamp)
        headers["X-BAPI-RECV-WINDOW"] = str(window)
        headers["X-BAPI-SIGN"] = sign_rest(self._credentials, stamp, window, call.payload)
        return url, headers

    def _judged(
        self, call: Call, answer: HttpAnswer, sent_ns: int, answered_ns: int
    ) -> Reply | _Refused:
        try:
            envelope = _ENVELOPE.decode(answer.body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return self._unreadable(call, answer)
        message = envelope.retMsg or ""
        found = classify(envelope.retCode, message, answer.status, write=call.write)
        if found in (ErrorClass.OK, ErrorClass.ALREADY):
            return Reply(bytes(envelope.result), found, sent_ns, answered_ns, answer.body)
        if found is ErrorClass.THROTTLED:
            self._limiter.exceeded(call.path)
        return self._refused(found, envelope.retCode, message, answer.status, call)

    def _unreadable(self, call: Call, answer: HttpAnswer) -> _Refused:
        text = answer.body[:500].decode("utf-8", "replace")
        if answer.status == 200 and not call.write:
            return _Refused(MalformedFrame(f"{call.path}: expected a V5 envelope", answer.body))
        found = classify(None, text, answer.status, write=call.write)
        return self._refused(found, None, text, answer.status, call)

    def _refused(
        self, found: ErrorClass, code: int | None, message: str, status: int, call: Call
    ) -> _Refused:
        error = error_for(found, code, message, status=status, action=call.path)
        if found is ErrorClass.BANNED and isinstance(error, RetryLater):
            self._limiter.shut(error.after_s)
        return _Refused(error, clock=found is ErrorClass.CLOCK)

    def _lost(self, call: Call, problem: str) -> AlphaError:
        what = without_secrets(f"expected an answer to {call.path}, was {problem}")
        return OutcomeUnknown(f"{what}; ask by id") if call.write else RetryLater(what)


@dataclass(frozen=True, slots=True)
class _Refused:
    error: AlphaError
    clock: bool = False
