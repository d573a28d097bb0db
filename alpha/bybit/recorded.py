"""Recorded frames and answers of any kind -> events, told apart by what stands in them.

A live answer's kind is known from its question; a recording has lost it, so rows are recognised
by the columns that only they have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import msgspec

from alpha.bybit import account_rows, rows
from alpha.bybit.account_rows import AccountInfo, FeeRate, FundingRate, KeyInfo
from alpha.bybit.fields import BadField, MalformedFrame, integer_or, without_secrets
from alpha.bybit.market_rows import KlineColumns, bar_of_columns
from alpha.bybit.messages import Ignored, PrivateEvent, PublicEvent, decode_private, decode_public
from alpha.core.events import Bar
from alpha.core.instruments import Instrument


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer with a retCode other than 0."""

    code: int
    message: str


RecordedEvent = (
    PrivateEvent
    | PublicEvent
    | Instrument
    | AccountInfo
    | KeyInfo
    | FeeRate
    | FundingRate
    | Refusal
)
Recorded = tuple[RecordedEvent, ...]

_PRIVATE = ("execution", "order", "position", "wallet")


class _Document(msgspec.Struct):
    topic: str | None = None
    op: str | None = None
    retCode: int | None = None
    retMsg: str | None = None
    result: msgspec.Raw = msgspec.Raw()
    time: int | None = None


class _Result(msgspec.Struct):
    list: msgspec.Raw = msgspec.Raw()
    symbol: str | None = None


_DOCUMENT = msgspec.json.Decoder(_Document)
_RESULT = msgspec.json.Decoder(_Result)
_RAW_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KLINE = msgspec.json.Decoder(KlineColumns)
_EXECUTION = msgspec.json.Decoder(rows.ExecutionRow)
_ORDER = msgspec.json.Decoder(rows.OrderRow)
_POSITION = msgspec.json.Decoder(rows.PositionRow)
_WALLET = msgspec.json.Decoder(rows.WalletRow)
_INSTRUMENT = msgspec.json.Decoder(account_rows.InstrumentRow)
_FEE_RATE = msgspec.json.Decoder(account_rows.FeeRateRow)
_FUNDING_RATE = msgspec.json.Decoder(account_rows.FundingRateRow)
_ACCOUNT_INFO = msgspec.json.Decoder(account_rows.AccountInfoRow)
_KEY_INFO = msgspec.json.Decoder(account_rows.KeyInfoRow)


def decode_recorded(raw: bytes, account: str = "") -> Recorded:
    """The events of one recorded frame or whole HTTP answer. Raises MalformedFrame only."""
    try:
        document = _DOCUMENT.decode(raw)
        if document.topic is not None or document.op is not None:
            kind = (document.topic or "execution").partition(".")[0]
            return decode_private(raw, account, 0) if kind in _PRIVATE else decode_public(raw)
        if document.retCode is None:
            raise BadField("topic", "a topic, an op or a retCode", None)
        if document.retCode != 0:
            return (Refusal(document.retCode, without_secrets(document.retMsg or "")),)
        return _answer(document, account)
    except (msgspec.MsgspecError, BadField, ArithmeticError, UnicodeError, RecursionError) as e:
        raise MalformedFrame(str(e), raw) from e


def _answer(document: _Document, account: str) -> Recorded:
    result = _RESULT.decode(document.result)
    if not bytes(result.list):
        return _single(document.result)
    found = _RAW_ROWS.decode(result.list)
    if not found:
        return ()
    if bytes(found[0]).lstrip().startswith(b"["):
        return _klines([_KLINE.decode(row) for row in found], result.symbol or "")
    columns = _OBJECT.decode(found[0]).keys()
    if "coin" in columns:
        at_ms = integer_or("time", document.time, 0)
        wallets = (rows.wallet(_WALLET.decode(row), account, at_ms, "rest") for row in found)
        return tuple(event for event in wallets if event is not None)
    for column, read in _BY_COLUMN.items():
        if column in columns:
            return tuple(read(row, account) for row in found)
    return (Ignored(f"answer with {', '.join(sorted(columns)[:4])}"),)


def _single(raw: msgspec.Raw) -> Recorded:
    columns = _OBJECT.decode(raw).keys()
    if "marginMode" in columns:
        return (account_rows.account_info(_ACCOUNT_INFO.decode(raw)),)
    if "permissions" in columns:
        return (account_rows.key_info(_KEY_INFO.decode(raw)),)
    return (Ignored(f"answer with {', '.join(sorted(columns)[:4]) or 'nothing'}"),)


def _klines(columns: list[KlineColumns], symbol: str) -> tuple[Bar, ...]:
    """The answer does not name its interval: the rows' spacing does, 0 when there is one row."""
    bars = [bar_of_columns(row, symbol, 0) for row in columns]
    gaps = {abs(after.start_ms - before.start_ms) for before, after in pairwise(bars)} - {0}
    interval_ms = min(gaps, default=0)
    return tuple(bar_of_columns(row, symbol, interval_ms) for row in columns)


#: The column that only one kind of row has -> how to read the row.
_BY_COLUMN: Mapping[str, Callable[[msgspec.Raw, str], RecordedEvent]] = MappingProxyType(
    {
        "execId": lambda raw, account: rows.execution(_EXECUTION.decode(raw), account, 0, "rest"),
        "orderStatus": lambda raw, account: rows.order(_ORDER.decode(raw), account, "rest"),
        "positionValue": lambda raw, account: rows.position(_POSITION.decode(raw), account, "rest"),
        "lotSizeFilter": lambda raw, _: account_rows.instrument(_INSTRUMENT.decode(raw)),
        "takerFeeRate": lambda raw, _: account_rows.fee_rate(_FEE_RATE.decode(raw)),
        "fundingRateTimestamp": lambda raw, _: account_rows.funding_rate(_FUNDING_RATE.decode(raw)),
    }
)
