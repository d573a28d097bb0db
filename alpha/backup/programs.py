"""PostgreSQL's own programs: which ones fit a server, and how they are run.

pg_dump reads servers of its own version and older ones, never newer ones. Those of the server's
own version come first: the system's (/usr/lib/postgresql/N/bin, PATH), which speak TLS, or those
of the wheel with our own server. Else the oldest newer ones.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from alpha.embedded.programs import client_programs
from alpha.errors import AlphaError, ConfigError, NotFound

_DEBIAN = Path("/usr/lib/postgresql")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")
#: The session settings that a newer pg_restore sends and a server before this does not know.
KNOWS_TRANSACTION_TIMEOUT = 17
#: What was asked to end is killed after this.
ENDS_WITHIN_S = 5.0
_SAID_BYTES = 4000
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Programs:
    folder: Path
    major: int
    version: str

    def path(self, name: str) -> str:
        return str(self.folder / name)


@dataclass(frozen=True, slots=True)
class Command:
    """One program of a chain: it reads what the one before it writes. `environment` is added to
    what ours says; secrets go there, never among the arguments, which everybody can see."""

    arguments: Sequence[str]
    environment: Mapping[str, str]


async def find_programs(
    server_major: int, *, ours: bool = False, folder: Path | None = None
) -> Programs:
    """Programs that can dump, and restore into, a server of this version. `ours`: it is our own
    server, so the wheel's come first. `folder` is the only place to look when it is set."""
    found = await asyncio.gather(*(_look(place) for place in _places(ours, folder)))
    fitting = [one for one in found if one is not None and one.major >= server_major]
    if not fitting:
        seen = ", ".join(f"{one.version} in {one.folder}" for one in found if one) or "none"
        where = "[backup] programs" if folder else "the wheel, /usr/lib/postgresql and PATH"
        raise ConfigError(
            f"expected pg_dump and pg_restore of PostgreSQL {server_major} or newer in {where}, "
            f"found {seen}; install postgresql-client-{server_major} or set [backup] programs"
        )
    return min(fitting, key=lambda one: one.major)  # of equal ones the first


def _places(ours: bool, folder: Path | None) -> list[Path]:
    if folder is not None:
        return [folder]
    system = sorted(_DEBIAN.glob("*/bin"))
    on_path = shutil.which("pg_dump")
    # Debian's own is a script that chooses a version by rules of its own.
    if on_path is not None and Path(on_path).resolve().name == "pg_dump":
        system.append(Path(on_path).parent)
    wheel = [found] if (found := client_programs()) is not None else []
    return [*wheel, *system] if ours else [*system, *wheel]


async def _look(folder: Path) -> Programs | None:
    """None where they are missing or do not run."""
    if not all(os.access(folder / name, os.X_OK) for name in ("pg_dump", "pg_restore", "psql")):
        return None
    with suppress(AlphaError):
        said = await output_of(Command([str(folder / "pg_dump"), "--version"], {}))
        if (match := _VERSION.search(said)) is not None:
            return Programs(folder, int(match[1]), match[1] + match[2])
    return None


def target(dsn: str) -> tuple[str, dict[str, str]]:
    """A URL for the command line, without the password, and the environment that holds it."""
    parts = urlsplit(dsn)
    query = parse_qsl(parts.query, keep_blank_values=True)
    secret = unquote(parts.password) if parts.password else ""
    secret = next((value for key, value in query if key == "password"), secret)
    place = parts.netloc
    if parts.password is not None:
        user, _, host = place.rpartition("@")
        place = f"{user.partition(':')[0]}@{host}"
    kept = urlencode([pair for pair in query if pair[0] != "password"], safe="/,:")
    scheme = "postgresql" if parts.scheme == "postgres" else parts.scheme
    url = urlunsplit((scheme, place, parts.path, kept, ""))
    return url, ({"PGPASSWORD": secret} if secret else {})


def with_database(dsn: str, database: str) -> str:
    """The same server, another database."""
    parts = urlsplit(dsn)
    query = [pair for pair in parse_qsl(parts.query) if pair[0] not in ("dbname", "database")]
    return urlunsplit(
        (parts.scheme, parts.netloc, f"/{database}", urlencode(query, safe="/,:"), "")
    )


async def output_of(*commands: Command, source: Path | None = None) -> str:
    """What the last of a chain prints. Raises AlphaError with its words when it fails."""
    with tempfile.TemporaryFile() as printed:
        await run_chain(commands, source=source, sink=printed.fileno(), early=True)
        printed.seek(0)
        return printed.read().decode("utf-8", "replace")


async def run_chain(
    commands: Sequence[Command],
    *,
    source: Path | None = None,
    sink: int | None = None,
    early: bool = False,
) -> None:
    """Runs programs with pipes between them: the first reads the file `source`, the last writes to
    the descriptor `sink`. Raises AlphaError with the words of the one that failed first; with
    `early` the last may stop reading before its end. All have ended when this returns."""
    started: list[asyncio.subprocess.Process] = []
    with ExitStack() as stack:
        errors = [stack.enter_context(tempfile.TemporaryFile()) for _ in commands]
        first = stack.enter_context(_open(source or Path(os.devnull)))
        upstream = os.dup(first.fileno())
        try:
            for number, command in enumerate(commands):
                downstream, writing = -1, os.dup(sink) if sink is not None else -1
                if number < len(commands) - 1:
                    downstream, writing = os.pipe()
                try:
                    started.append(await _start(command, upstream, writing, errors[number]))
                finally:
                    _close(upstream, writing)
                    upstream = downstream
            statuses = [await process.wait() for process in started]
        finally:
            _close(upstream)
            await _end([process for process in started if process.returncode is None])
        if statuses[-1] == 0 and (early or not any(statuses)):
            return
        failures = []
        for number, status in enumerate(statuses):
            if status != 0:
                errors[number].seek(0)
                failures.append(_failed(commands[number], status, errors[number].read()))
        # The first of a chain tells why, unless it only lost its reader.
        told = [one for one in failures if "Broken pipe" not in one and "status -13" not in one]
        raise AlphaError((told or failures)[0])


async def _end(running: Sequence[asyncio.subprocess.Process]) -> None:
    """By SIGTERM, at which pg_dump takes back what it asked of the server: a server does not look
    whether a client that waits for a lock is still there, and lets it wait with what it holds."""
    for ask, within_s in ((signal.SIGTERM, ENDS_WITHIN_S), (signal.SIGKILL, None)):
        for process in running:
            with suppress(ProcessLookupError):
                process.send_signal(ask)
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for process in running:
                    await process.wait()
                return


def _open(source: Path) -> BinaryIO:
    try:
        return source.open("rb")
    except OSError as error:
        raise NotFound(f"expected a file {source}, was: {error.strerror}") from None


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        if descriptor >= 0:
            os.close(descriptor)


async def _start(
    command: Command, reading: int, writing: int, said: IO[bytes]
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command.arguments,
            stdin=reading,
            stdout=writing if writing >= 0 else asyncio.subprocess.DEVNULL,
            stderr=said.fileno(),
            env={**_environment(), **command.environment},
            preexec_fn=_ending_with(os.getpid()),
        )
    except OSError as error:
        raise AlphaError(
            f"expected {command.arguments[0]} to run, was: {error.strerror}; install it or "
            f"correct [backup] in the settings"
        ) from None


def _ending_with(us: int) -> Callable[[], None] | None:
    """Has the kernel ask a program to end when we are killed: nobody reads what it writes then, and
    its locks stand in the way of a migration."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != us:  # we died before the request was in
            os._exit(1)

    return ask


def _failed(command: Command, status: int, said: bytes) -> str:
    words = said[:_SAID_BYTES].decode("utf-8", "replace").strip().splitlines()
    told = " / ".join(line.strip() for line in words[:6]) or "no words"
    name = Path(command.arguments[0]).name
    return f"expected {name} to succeed, was status {status}: {told}"


def _environment() -> dict[str, str]:
    """Ours, without PG* settings: what is dumped is what the settings of Alpha name."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}
