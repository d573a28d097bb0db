"""Keys, signatures and the timestamp rule (V5 "Integration Guidance", "Authentication")."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

from alpha.clock import Clock
from alpha.sim.model import Refusal

DEFAULT_RECV_WINDOW_MS = 5000
AHEAD_MS = 1000


def sign(secret: str, text: str) -> str:
    """HMAC-SHA256 in lower-case hex, of system-generated keys."""
    return hmac.new(secret.encode(), text.encode(), sha256).hexdigest()


class Keyring:
    """The API keys that may speak, and how they prove it."""

    def __init__(self, secrets: Mapping[str, str], clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock

    def knows(self, key: str) -> bool:
        return key in self._secrets

    def check_request(self, headers: Mapping[str, str], payload: str) -> str:
        """The account of a signed REST request; refuses with 10003, 10002 or 10004."""
        key = headers.get("X-BAPI-API-KEY", "")
        stamp = headers.get("X-BAPI-TIMESTAMP", "")
        window = headers.get("X-BAPI-RECV-WINDOW", "")
        secret = self._secrets.get(key)
        if secret is None:
            raise Refusal(10003, "API key is invalid.")
        self.check_time(stamp, window)
        origin = f"{stamp}{key}{window}{payload}"
        given = headers.get("X-BAPI-SIGN", "")
        if not hmac.compare_digest(sign(secret, origin).encode(), given.encode()):
            raise Refusal(10004, f"error sign! origin_string[{origin}]")
        return key

    def check_time(self, stamp: str, window: str) -> None:
        """`server - window <= stamp < server + 1000`, on the wall clock."""
        now = self._clock.now_ms()
        try:
            at = int(stamp)
            width = int(window) if window else DEFAULT_RECV_WINDOW_MS
        except ValueError:
            at, width = 0, 0
        if not now - width <= at < now + AHEAD_MS:
            raise Refusal(
                10002,
                "invalid request, please check your server timestamp or recv_window param. "
                f"req_timestamp[{stamp}],server_timestamp[{now}],recv_window[{width}]",
            )

    def check_socket(self, args: object) -> str | None:
        """The account of a socket's auth arguments `[key, expires, signature]`, or None."""
        if not isinstance(args, list) or len(args) != 3:
            return None
        key, expires, given = (str(part) for part in args)
        secret = self._secrets.get(key)
        if secret is None or not (expires.isascii() and expires.isdigit() and len(expires) < 19):
            return None
        if int(expires) <= self._clock.now_ms():
            return None
        expected = sign(secret, f"GET/realtime{expires}")
        return key if hmac.compare_digest(expected.encode(), given.encode()) else None
