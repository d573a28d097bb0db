"""`alpha data`: candle files for backtests and replays. No server is started by these."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alpha.cli.options import ConfigOption, JsonOption, moment, settings

if TYPE_CHECKING:
    from alpha.candles.files import Candles, Fault
    from alpha.config import Config
    from alpha.core.instruments import Instrument
    from alpha.market.download import Downloaded, Wanted

app = typer.Typer(help="Download, import and check candle files.", no_args_is_help=True)

DAY_MS = 86_400_000
#: Without --json no more faults of a file are printed.
SHOWN = 20
DataOption = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Folder of the candle files.")
]
Row = dict[str, object]


# -- download ---------------------------------------------------------------------------------


@app.command("download")
def download(
    symbols: Annotated[
        list[str], typer.Argument(metavar="SYMBOL...", help="Such as BTCUSDT; with commas, too.")
    ],
    interval: Annotated[
        str, typer.Option("--interval", metavar="5m", help="Length of a candle.")
    ] = "5m",
    begin: Annotated[
        int | None,
        typer.Option(
            "--from",
            metavar="ISO",
            parser=moment,
            help="First candle; default 90 days before --to.",
        ),
    ] = None,
    end: Annotated[
        int | None,
        typer.Option(
            "--to", metavar="ISO", parser=moment, help="End of the last candle; default now."
        ),
    ] = None,
    data: DataOption = Path("data"),
    funding: Annotated[
        bool, typer.Option("--funding/--no-funding", help="Funding rates as well.")
    ] = True,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="REST address, instead of the exchange's."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring candle files up to date from the exchange's public REST, only what they lack. A run
    that was cut short goes on where it was."""
    import asyncio

    from alpha.bybit.market_rows import INTERVAL_NAMES
    from alpha.candles.files import interval_name
    from alpha.cli.logs import configure
    from alpha.clock import iso

    loaded = settings(config)
    configure("error")  # attempts that are made again are no news here
    interval_ms = _interval(interval)
    if interval_ms not in INTERVAL_NAMES:
        known = ", ".join(interval_name(one) for one in sorted(INTERVAL_NAMES))
        raise typer.BadParameter(f"--interval: expected one of {known}, was {interval!r}")
    names = [name for text in symbols for name in text.upper().split(",") if name]
    if begin is not None and end is not None and begin >= end:
        raise typer.BadParameter(f"expected --from before --to, was {iso(begin)} and {iso(end)}")
    data.mkdir(parents=True, exist_ok=True)
    address = url or loaded.exchange.rest_url or _published(loaded)
    rows = asyncio.run(_download(address, names, interval_ms, (begin, end), data, funding=funding))
    _print(rows, as_json)


def _published(config: Config) -> str:
    """History is the real market's, whatever the mode trades on, but for the testnet's own."""
    from alpha.bybit.endpoints import endpoints_for

    return endpoints_for("testnet" if config.mode == "testnet" else "live").rest


async def _download(
    address: str,
    names: Sequence[str],
    interval_ms: int,
    span: tuple[int | None, int | None],
    folder: Path,
    *,
    funding: bool,
) -> list[Row]:
    import aiohttp

    from alpha.bybit.endpoints import Endpoints
    from alpha.bybit.limiter import Limiter
    from alpha.bybit.rest import Rest
    from alpha.clock import SystemClock
    from alpha.market import download as market

    clock = SystemClock()
    async with aiohttp.ClientSession() as session:
        endpoints = Endpoints(address.rstrip("/"), "", "", "")
        rest = Rest(
            endpoints,
            None,
            account="public",
            clock=clock,
            limiter=Limiter(clock),
            session=session,
        )
        listed = await market.chosen(rest, names)
        venue_ms = await rest.server_time()
        end_ms = venue_ms if span[1] is None else span[1]
        start_ms = end_ms - 90 * DAY_MS if span[0] is None else span[0]
        rows: list[Row] = []
        found: list[tuple[Instrument, Candles]] = []
        with _progress() as step:
            for instrument in listed:
                wanted = market.Wanted(instrument.symbol, interval_ms, start_ms, end_ms)
                done = await market.download(
                    rest,
                    wanted,
                    folder,
                    venue_ms=venue_ms,
                    progress=partial(step, instrument.symbol),
                )
                rows.append(_downloaded(wanted, done))
                if done is not None:
                    found.append((instrument, done.candles))
                if funding and done is not None:
                    rows[-1]["funding"] = await market.download_funding(rest, done.candles, folder)
        for note in market.save_rules(folder, found):
            print(f"note: {note}", file=sys.stderr)
    return rows


def _downloaded(wanted: Wanted, done: Downloaded | None) -> Row:
    from alpha.clock import iso

    if done is None:
        print(
            f"note: {wanted.symbol}: the exchange has no candles from {iso(wanted.start_ms)} to "
            f"{iso(wanted.end_ms)}",
            file=sys.stderr,
        )
        return {"symbol": wanted.symbol, "file": None, "candles": 0, "added": 0}
    return {**_described(done.candles, done.path), "added": done.added, "missing": done.missing}


# -- import -----------------------------------------------------------------------------------


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, gzipped or not, or Parquet.")],
    symbol: Annotated[
        str | None, typer.Option("--symbol", help="Default: what the file's name tells.")
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option("--interval", metavar="5m", help="Default: what the stamps tell."),
    ] = None,
    data: DataOption = Path("data"),
    repair: Annotated[
        bool, typer.Option("--repair", help="Leave out lines that are wrong, and tell.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of a file that is there.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a candle file of somebody else's: columns by their usual names, stamps of any unit."""
    import re

    from alpha.candles.files import CandleError, file_name
    from alpha.candles.foreign import read_foreign
    from alpha.candles.writing import write_candles

    settings(config)
    if not file.is_file():
        raise typer.BadParameter(f"FILE: expected a file, was nothing at {file}")
    told = re.search(r"(?<![A-Z0-9])[A-Z0-9]{2,20}(?:USDT|USDC|PERP)(?![A-Z0-9])", file.name)
    name = symbol.upper() if symbol is not None else told[0] if told is not None else ""
    if not re.fullmatch(r"[A-Z0-9]{2,30}", name):
        raise typer.BadParameter(f"expected a symbol such as BTCUSDT, was {name!r}; give --symbol")
    length = None if interval is None else _interval(interval)
    candles = read_foreign(file, name, length, repair=repair)
    path = data / file_name(name, candles.interval_ms)
    if path.exists() and not replace:
        raise CandleError(f"{path}: expected no such file yet, was one; --replace writes over it")
    data.mkdir(parents=True, exist_ok=True)
    write_candles(path, candles)
    _tell_faults(candles.faults)
    _print([{**_described(candles, path), "faults": len(candles.faults)}], as_json)


# -- check ------------------------------------------------------------------------------------


@app.command("check")
def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE|DIR]...", help="Default: the folder of --data."),
    ] = None,
    data: DataOption = Path("data"),
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Drop what is wrong; the original is kept as NAME.orig."),
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Name everything wrong in candle files with its line: holes, duplicates, order, prices."""
    import json

    from alpha.candles.files import CandleError, read_candles
    from alpha.candles.writing import repair as repaired

    settings(config)
    rows: list[Row] = []
    bad = False
    for path in _files(paths or [data]):
        try:
            candles = read_candles(path, repair=True)
        except CandleError as error:
            bad = True
            rows.append({"file": str(path), "ok": False, "error": str(error), "faults": []})
            print(f"alpha: {error}", file=sys.stderr)
            continue
        kept = None
        if repair and any(fault.dropped for fault in candles.faults):
            kept = repaired(candles)
        left = [fault for fault in candles.faults if kept is None or not fault.dropped]
        bad = bad or bool(left)
        rows.append(_checked(candles, kept, ok=not left))
        if not as_json:
            _tell_check(candles, kept)
    if as_json:
        print(json.dumps({"ok": not bad, "files": rows}))
    raise typer.Exit(1 if bad else 0)


def _checked(candles: Candles, kept: Path | None, *, ok: bool) -> Row:
    faults = [
        {"line": fault.line, "fault": fault.what, "dropped": fault.dropped}
        for fault in candles.faults
    ]
    original = None if kept is None else str(kept)
    return {**_described(candles, candles.path), "ok": ok, "original": original, "faults": faults}


def _tell_check(candles: Candles, kept: Path | None) -> None:
    _tell_faults(candles.faults)
    dropped = sum(fault.dropped for fault in candles.faults)
    holes = len(candles.faults) - dropped
    words = "ok"
    if candles.faults:
        words = f"{_counted(dropped, 'bad line')}, {_counted(holes, 'hole')}"
    if kept is not None:
        words += f"; dropped {_counted(dropped, 'line')}, the original is {kept}"
    if holes:
        words += "; fill holes with alpha data download"
    print(f"{candles.path}: {len(candles)} candles, {words}")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _tell_faults(faults: Sequence[Fault]) -> None:
    for fault in faults[:SHOWN]:
        print(fault, file=sys.stderr)
    if len(faults) > SHOWN:
        print(f"... and {len(faults) - SHOWN} more; --json names them all", file=sys.stderr)


# -- list -------------------------------------------------------------------------------------


@app.command("list")
def list_(
    data: DataOption = Path("data"), config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """What candle files there are: symbol, interval, time, candles, holes."""
    from alpha.candles.files import CandleError, read_candles

    settings(config)
    rows: list[Row] = []
    for path in _files([data]):
        try:
            candles = read_candles(path, repair=True)
        except CandleError as error:
            rows.append({"file": str(path), "error": str(error)})
            print(f"alpha: {error}", file=sys.stderr)
        else:
            rows.append({**_described(candles, path), "faults": len(candles.faults)})
    _print(rows, as_json)


# -- together ---------------------------------------------------------------------------------


def _interval(text: str) -> int:
    from alpha.candles.files import CandleError, interval_of

    try:
        return interval_of(text)
    except CandleError as error:
        raise typer.BadParameter(f"--interval: {error}") from None


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """The candle files that are meant. Nothing there is a usage error that names what is near."""
    from alpha.candles.files import candle_files

    for path in paths:
        if path.is_dir():
            found = candle_files(path)
            if not found:
                raise typer.BadParameter(
                    f"{path}: expected files like bybit-linear-BTCUSDT-5m.csv.gz, was none; "
                    "alpha data download or alpha data import make them"
                )
            yield from found
        elif path.is_file():
            yield path
        else:
            raise typer.BadParameter(f"{path}: expected candles there, was nothing{_near(path)}")


def _near(path: Path) -> str:
    import difflib

    folder = path.parent
    names = [one.name for one in folder.iterdir()] if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"; the nearest is {folder / near[0]}" if near else ""


def _described(candles: Candles, path: Path) -> Row:
    from alpha.candles.files import interval_name
    from alpha.clock import iso

    return {
        "symbol": candles.symbol,
        "interval": interval_name(candles.interval_ms),
        "from": iso(candles.starts[0]),
        "to": iso(candles.end_ms),
        "candles": len(candles),
        "holes": len(candles.runs()) - 1,
        "file": str(path),
    }


def _print(rows: Sequence[Row], as_json: bool) -> None:
    if as_json:
        import json

        print(json.dumps({"files": list(rows)}))
        return
    for row in rows:
        _print_row(row)


def _print_row(row: Mapping[str, object]) -> None:
    if "from" not in row:
        print(f"{row.get('symbol') or row['file']}: no candles")
        return
    words = [f"{row['symbol']} {row['interval']}: {row['candles']} candles"]
    words.append(f"{row['from']} to {row['to']}")
    words += [f"{row[name]} {name}" for name in ("added", "missing", "faults") if row.get(name)]
    words += (
        [_counted(row["holes"], "hole")] if isinstance(row["holes"], int) and row["holes"] else []
    )
    print(f"{', '.join(words)} -> {row['file']}")


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each symbol on a terminal; nothing where stderr is none."""
    if not sys.stderr.isatty():
        yield lambda name, at, total: None
        return
    from rich.console import Console
    from rich.progress import Progress, TaskID

    tasks: dict[str, TaskID] = {}
    with Progress(console=Console(stderr=True)) as shown:

        def step(name: str, at: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = shown.add_task(name, total=total)
            shown.update(tasks[name], completed=at, total=total)

        yield step
