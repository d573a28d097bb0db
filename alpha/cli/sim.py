"""`alpha sim`: a Bybit V5 exchange on this machine."""

from __future__ import annotations

from collections.abc import Coroutine
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alpha.cli.options import moment, settings

if TYPE_CHECKING:
    from alpha.sim.faults import FaultPlan
    from alpha.sim.server import AccountOption


def _market_of(context: typer.Context, config: Path | None) -> Path | None:
    """The `[paper]` section of a config file stands in for options that are not given."""
    if config is not None:
        paper = settings(config).paper
        found = {
            "feed": paper.feed,
            "seed": paper.seed,
            "speed": float(paper.speed),
            "balance": f"{paper.balance:f}",
            "data": paper.data,
            "start": paper.start.isoformat() if paper.start else None,
        }
        context.default_map = {key: value for key, value in found.items() if value is not None}
    return config


def sim(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            callback=_market_of,
            is_eager=True,
            help="Take what is not given here from the [paper] section of this file.",
        ),
    ] = None,
    state: Annotated[
        Path, typer.Option("--state", metavar="DIR", help="Where the accounts are kept.")
    ] = Path(".alpha/sim"),
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 0,
    feed: Annotated[str, typer.Option("--feed", help="synthetic or replay.")] = "synthetic",
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Candles for the replay feed.")
    ] = None,
    start: Annotated[
        int | None,
        typer.Option("--start", metavar="ISO", parser=moment, help="When the market opens (UTC)."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the synthetic feed.")] = 1,
    speed: Annotated[
        float, typer.Option("--speed", help="Market seconds in one second of wall time.")
    ] = 600.0,
    account: Annotated[
        list[str] | None,
        typer.Option(
            "--account",
            metavar="KEY:SECRET[:BALANCE]",
            envvar="ALPHA_SIM_ACCOUNTS",
            help="Repeatable; in the environment with spaces between.",
        ),
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="API key of the first account.")] = None,
    secret: Annotated[str | None, typer.Option("--secret", help="Its API secret.")] = None,
    balance: Annotated[
        str, typer.Option("--balance", help="USDT of a new account that names none.")
    ] = "10000",
    ready_file: Annotated[
        Path | None,
        typer.Option("--ready-file", metavar="FILE", help="Written when the ports listen."),
    ] = None,
    faults: Annotated[
        Path | None,
        typer.Option("--faults", metavar="FILE", help="JSON of faults to begin with."),
    ] = None,
    link_id_length: Annotated[
        int,
        typer.Option("--link-id-length", min=36, max=45, help="Characters of an orderLinkId."),
    ] = 36,
    linger: Annotated[
        float,
        typer.Option("--linger", min=0, help="Seconds without a client until it ends; 0 = never."),
    ] = 0.0,
) -> None:
    """Serve a simulated Bybit V5 exchange: REST and its sockets on one port."""
    from alpha.clock import SystemClock
    from alpha.sim.server import SimOptions, serve

    del config  # its callback has used it
    if ready_file is not None and not ready_file.absolute().parent.is_dir():
        raise typer.BadParameter(
            f"--ready-file: expected a file in a folder that exists, was {ready_file}; "
            "create it first"
        )
    default = _balance(balance)
    accounts = _accounts(key, secret, account or [], default)
    options = SimOptions(
        state=state,
        accounts=accounts,
        host=host,
        port=port,
        feed=feed,
        data=data,
        start_ms=start,
        seed=seed,
        speed=speed,
        ready_file=ready_file,
        linger_s=linger,
        faults=_plan(faults),
        link_id_length=link_id_length,
    )
    _run(serve(options, SystemClock()))


def _accounts(
    key: str | None, secret: str | None, others: list[str], default: Decimal
) -> tuple[AccountOption, ...]:
    from alpha.sim.server import AccountOption

    if (key is None) != (secret is None):
        raise typer.BadParameter("expected --key and --secret together, was only one; give both")
    found: list[AccountOption] = []
    if key is not None and secret is not None:
        found.append(AccountOption(key, secret, default))
    for text in others:
        parts = text.split(":")
        if len(parts) not in (2, 3) or not parts[0] or not parts[1]:
            raise typer.BadParameter(
                "expected --account KEY:SECRET or KEY:SECRET:BALANCE, was something else; "
                "write the key, a colon, and the secret"
            )
        found.append(
            AccountOption(parts[0], parts[1], _balance(parts[2]) if len(parts) == 3 else default)
        )
    if not found:
        raise typer.BadParameter("expected at least one account; give --account KEY:SECRET")
    if len({option.key for option in found}) != len(found):
        raise typer.BadParameter("expected every account once, was a key given twice; remove one")
    return tuple(found)


def _balance(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise typer.BadParameter(
            f"expected a balance in USDT, was {text!r}; give a number like 10000"
        )
    return value


def _plan(path: Path | None) -> FaultPlan | None:
    from alpha.sim.faults import FaultPlan

    if path is None:
        return None
    try:
        return FaultPlan.decoded(path.read_bytes())
    except OSError as error:
        found = error.strerror or str(error)
    except ValueError as error:
        found = str(error)
    raise typer.BadParameter(
        f'--faults: expected {path} to hold {{"seed": 1, "faults": [...]}}, was: {found}'
    )


def _run(server: Coroutine[None, None, None]) -> None:
    """Runs the server on uvloop; its log goes to standard error, one line an event."""
    import sys

    import structlog
    import uvloop

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    uvloop.run(server)
