"""HMAC-SHA256 signatures (Bybit V5, Integration Guidance; WebSocket, Authentication)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair. Neither half appears in `repr`, so neither reaches a log by accident."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)

    def __repr__(self) -> str:
        return f"Credentials(api_key={self.hint!r})"

    @property
    def hint(self) -> str:
        """Enough of the key to tell two apart, not enough to use it."""
        return f"{self.api_key[:3]}***" if len(self.api_key) > 6 else "***"


def _hex_digest(credentials: Credentials, message: bytes) -> str:
    return hmac.new(credentials.api_secret.encode(), message, hashlib.sha256).hexdigest()


def sign_rest(
    credentials: Credentials, timestamp_ms: int, recv_window: int, payload: str | bytes
) -> str:
    """Signature of one request: lower-case hex over timestamp + key + recv_window + payload.

    `payload` is the raw query string (GET) or the raw body (POST), exactly as sent."""
    body = payload.encode() if isinstance(payload, str) else payload
    head = f"{timestamp_ms}{credentials.api_key}{recv_window}".encode()
    return _hex_digest(credentials, head + body)


def sign_stream(credentials: Credentials, expires_ms: int) -> str:
    """Signature of the auth request of a private or trade socket."""
    return _hex_digest(credentials, f"GET/realtime{expires_ms}".encode())
