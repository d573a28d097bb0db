"""Where each mode's exchange lives (Bybit V5, Integration Guidance and Demo Trading Service)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from alpha.errors import ConfigError

Mode = Literal["paper", "demo", "testnet", "live"]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base addresses without a trailing slash. `trade_ws` is "" where the venue has none."""

    rest: str
    public_ws: str
    private_ws: str
    trade_ws: str


_BY_MODE: dict[str, Endpoints] = {
    "live": Endpoints(
        rest="https://api.bybit.com",
        public_ws="wss://stream.bybit.com/v5/public/linear",
        private_ws="wss://stream.bybit.com/v5/private",
        trade_ws="wss://stream.bybit.com/v5/trade",
    ),
    "testnet": Endpoints(
        rest="https://api-testnet.bybit.com",
        public_ws="wss://stream-testnet.bybit.com/v5/public/linear",
        private_ws="wss://stream-testnet.bybit.com/v5/private",
        trade_ws="wss://stream-testnet.bybit.com/v5/trade",
    ),
    # Demo has no public stream of its own (it uses mainnet's) and no trade socket.
    "demo": Endpoints(
        rest="https://api-demo.bybit.com",
        public_ws="wss://stream.bybit.com/v5/public/linear",
        private_ws="wss://stream-demo.bybit.com/v5/private",
        trade_ws="",
    ),
}


def endpoints_for(mode: Mode) -> Endpoints:
    """The venue's published addresses for `mode`.

    Raises ConfigError for paper: the simulator's addresses are not known beforehand."""
    found = _BY_MODE.get(mode)
    if found is None:
        raise ConfigError(
            f"expected explicit exchange addresses for mode {mode!r}, was none; "
            "set [exchange] rest_url, public_ws_url, private_ws_url and trade_ws_url"
        )
    return found
