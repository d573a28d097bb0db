"""What a recording holds: one JSON object per line, gzipped, in the order of what happened.

Money is text with all its digits, bars carry floats that read back as they were, times are Unix
milliseconds of the exchange's clock. Nothing in it is secret: rows of the streams, bars, positions
and settings of the bots; no keys, no addresses.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

from alpha.bots.hookspecs import Subscription
from alpha.core.events import Bar
from alpha.core.instruments import Instrument
from alpha.core.markets import Market
from alpha.core.records import BotPosition, Fill, OrderRow
from alpha.errors import NeedsOperator, NotFound

#: Raised when a reader of the older form could misread the newer one.
VERSION = 1
#: `20260105T030000Z-000.jsonl.gz`: start of the run, and the number of the file in it.
_NAME = re.compile(r"(\d{8}T\d{6}Z)-(\d{3,})\.jsonl\.gz")
_CHUNK = 1 << 20


class RecordedBot(msgspec.Struct, frozen=True):
    """A bot as it was configured. `capital` only where it shares its account; `settings` as JSON,
    with numbers as they were written."""

    name: str
    bot_id: str
    plugin: str
    version: str
    account: str
    settings: msgspec.Raw
    capital: Decimal | None
    netting: bool


class Head(msgspec.Struct, frozen=True, tag="head"):
    """The first line of every file. `run` names the run of the daemon, `part` the file in it."""

    version: int
    run: str
    part: int
    mode: str
    bots: list[RecordedBot]
    max_notional: Decimal | None


class Rules(msgspec.Struct, frozen=True, tag="instrument"):
    instrument: Instrument


class Joined(msgspec.Struct, frozen=True, tag="joined"):
    """A bot with its saved state, about to be warmed up. `ordinal` counts its decisions so far."""

    bot: str
    ordinal: int
    per_symbol: bool
    state: msgspec.Raw
    positions: dict[str, BotPosition]
    subscriptions: list[Subscription]


class Chosen(msgspec.Struct, frozen=True, tag="chosen"):
    """What a bot chose its symbols among, and what it subscribes to now."""

    bot: str
    now_ms: int
    markets: list[Market]
    held: list[str]
    subscriptions: list[Subscription]


class Shown(msgspec.Struct, frozen=True, tag="bar"):
    bot: str
    bar: Bar


class Closing(msgspec.Struct, frozen=True, tag="close"):
    """A close that a bot was asked to decide: whose bars were in, and its picture."""

    bot: str
    interval_ms: int
    close_ms: int
    symbols: list[str]
    replayed: bool
    positions: dict[str, BotPosition]
    pending_entries: list[str]
    pending_exits: list[str]
    wallet: Decimal
    equity: Decimal


class Decided(msgspec.Struct, frozen=True, tag="decision"):
    """A row of config.decisions. `state` is null where it is as before."""

    bot: str
    ordinal: int
    event_key: str
    event_ms: int
    intents: msgspec.Raw
    state: msgspec.Raw


class Filled(msgspec.Struct, frozen=True, tag="fill"):
    bot: str
    fill: Fill


class Ordered(msgspec.Struct, frozen=True, tag="order"):
    bot: str
    row: OrderRow


class Heard(msgspec.Struct, frozen=True, tag="private"):
    """A row of an account's private stream; `kind` is the name of its type."""

    account: str
    kind: str
    row: object


class Lost(msgspec.Struct, frozen=True, tag="lost"):
    """So many lines are missing here: they came faster than they could be written."""

    count: int


Record = (
    Head | Rules | Joined | Chosen | Shown | Closing | Decided | Filled | Ordered | Heard | Lost
)

_encode = msgspec.json.Encoder(decimal_format="string").encode
_decode = msgspec.json.Decoder(Record).decode


def line(record: Record) -> bytes:
    return _encode(record) + b"\n"


def file_name(run: str, part: int) -> str:
    return f"{run}-{part:03d}.jsonl.gz"


def files_of(path: Path) -> list[Path]:
    """The files to read, in order: of a folder all runs, of a file its whole run."""
    if not path.exists():
        raise NotFound(
            f"{path}: expected a recording, found nothing; set [record] enabled = true, run, and "
            "look into the folder `recordings` of the data directory"
        )
    folder = path if path.is_dir() else path.parent
    found = sorted(one for one in folder.iterdir() if _NAME.fullmatch(one.name))
    if path.is_dir():
        if not found:
            raise NotFound(f"{path}: expected files like {file_name('20260105T030000Z', 0)}")
        return found
    match = _NAME.fullmatch(path.name)
    if match is None:
        return [path]
    return [one for one in found if one.name.startswith(match[1] + "-")]


def lines_of(path: Path) -> Iterator[bytes]:
    """The whole lines of a gzipped file. One that a kill has cut off is read up to there."""
    stream = zlib.decompressobj(wbits=31)
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            try:
                rest += stream.decompress(chunk)
            except zlib.error as error:
                raise NeedsOperator(
                    f"{path}: expected a recording, was {error}; is it a file of another kind?"
                ) from None
            *whole, rest = rest.split(b"\n")
            yield from whole


def read(path: Path) -> Iterator[Record]:
    """Every record of a recording, in order. NotFound, or NeedsOperator for what is none."""
    for file in files_of(path):
        for number, text in enumerate(lines_of(file), 1):
            try:
                record = _decode(text)
            except msgspec.MsgspecError as error:
                raise NeedsOperator(
                    f"{file}:{number}: expected a line of a recording, was {error}"
                ) from None
            if isinstance(record, Head) and record.version != VERSION:
                raise NeedsOperator(
                    f"{file}: expected a recording of version {VERSION}, was {record.version}; "
                    "replay it with the version of Alpha that made it"
                )
            yield record
