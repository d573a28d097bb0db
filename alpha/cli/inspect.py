"""`alpha inspect FILE`: what recorded frames say, as typed events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from alpha.cli.options import ConfigOption, settings

if TYPE_CHECKING:
    from alpha.bybit.recorded import RecordedEvent


def inspect(
    file: Annotated[
        Path,
        typer.Argument(help="Frames or HTTP answers: one JSON document, or one per line."),
    ],
    config: ConfigOption = None,
) -> None:
    """Decode recorded Bybit frames and print the typed events as JSON lines."""
    if config is not None:
        settings(config)  # every verb takes a config file, and says what is wrong with it
    from alpha.bybit.fields import MalformedFrame
    from alpha.bybit.recorded import decode_recorded

    if not file.is_file():
        _stop(f"{file}: expected a file, found none", 2)
    try:
        raw = file.read_bytes()
    except OSError as e:
        _stop(f"{file}: expected a readable file, was {e.strerror}", 2)
    try:
        for line, frame in _frames(raw):
            try:
                events = decode_recorded(frame)
            except MalformedFrame as e:
                _stop(f"{file}: line {line}: {e}", 1)
            for event in events:
                typer.echo(_json_line(event))
    except json.JSONDecodeError as e:
        _stop(f"{file}: line {e.lineno}: expected JSON, was {e.msg} at column {e.colno}", 1)
    except RecursionError:
        _stop(f"{file}: expected frames, was JSON nested without end", 1)
    except UnicodeDecodeError as e:
        line = raw.count(b"\n", 0, e.start) + 1
        _stop(f"{file}: line {line}: expected UTF-8 text, was byte 0x{raw[e.start]:02x}", 1)


def _frames(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """(line number, document). One document may span lines; a list of documents counts as each."""
    import msgspec

    text = raw.decode("utf-8-sig")
    lines = [
        (number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()
    ]
    if not lines:
        raise json.JSONDecodeError("nothing", text, 0)
    if len(lines) > 1 and _is_json(lines[0][1]):
        for number, line in lines:
            try:
                json.loads(line)
            except json.JSONDecodeError as e:
                # The position within the file, not within the line.
                before = "\n" * (number - 1)
                raise json.JSONDecodeError(e.msg, before + line, len(before) + e.pos) from None
            yield number, line.encode()
        return
    document = json.loads(text)
    if isinstance(document, list):
        for part in msgspec.json.decode(text, type=list[msgspec.Raw]):
            yield lines[0][0], bytes(part)
    else:
        yield lines[0][0], text.encode()


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        return False
    return True


def _json_line(event: RecordedEvent) -> str:
    """`{"event": KIND, ...fields}`; decimals are strings, times are Unix ms."""
    import msgspec

    fields = msgspec.to_builtins(event)
    return msgspec.json.encode({"event": type(event).__name__, **fields}).decode()


def _stop(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
