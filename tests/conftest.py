"""What every test has: real servers of its own, and guards that fail it for what it leaves behind.

`postgres_dsn` is a database of the test's own with the migrations applied, `redis_url` an empty
Redis; one server of each serves the whole run, and starts when a test first asks for it. They are
the programs that come with Alpha, or with TEST_SERVERS=system (script/test --servers system) those
of the system. Daemons in tests have servers of their own, as those of users have.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import hypothesis
import pytest
import pytest_asyncio
import structlog
from redis.asyncio import Redis

from alpha.clock import SystemClock
from alpha.embedded.keeping import Stay
from alpha.embedded.place import Place, find_place
from alpha.embedded.postgres import dsn, start_postgres
from alpha.embedded.valkey import start_valkey, url
from alpha.ledger.migrations import migrate

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
#: Tests with environments of their own: script/test --peers, script/test --scale.
collect_ignore = ["peers", "scale"]
#: What a finished test may still be finishing, e.g. the closing of a socket.
GRACE_S = 2.0

#: Where Debian puts the servers.
SYSTEM_POSTGRES = ("/usr/lib/postgresql", "*/bin/postgres")
SYSTEM_REDIS = ("/usr/bin", "redis-server")


def system_program(where: tuple[str, str]) -> Path | None:
    """The newest of the system's programs; None: those that come with Alpha."""
    if os.environ.get("TEST_SERVERS", "embedded") == "embedded":
        return None
    folder, pattern = where
    found = sorted(
        Path(folder).glob(pattern), key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))]
    )
    if not found:
        pytest.fail(
            f"expected {folder}/{pattern}, found none; "
            "apt-get install postgresql-15 redis-server, or leave out --servers system"
        )
    return found[-1]


# A shared machine of two cores makes any deadline per example a coin toss.
_SLOW = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("default", deadline=None, suppress_health_check=_SLOW)
hypothesis.settings.register_profile(
    "ci", deadline=None, suppress_health_check=_SLOW, print_blob=True, max_examples=200
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Those that are given the most time first, so that two processes end together.
    items.sort(key=_time_given, reverse=True)
    for item in items:
        if isinstance(item, pytest.Function) and pytest_asyncio.is_async_test(item):
            item.fixturenames.insert(0, "no_leaked_tasks")
        if item.get_closest_marker("shared_data") and not SHARED_DATA.is_dir():
            item.add_marker(pytest.mark.skip(reason=f"needs the recorded candles of {SHARED_DATA}"))


def _time_given(item: pytest.Item) -> float:
    given = item.get_closest_marker("timeout")
    return float(given.args[0]) if given else 0.0


@pytest.fixture(autouse=True)
def logs_as_they_come() -> Iterator[None]:
    """A command that a test has run in this process sets its own level, for all that follow."""
    yield
    structlog.reset_defaults()


@pytest.fixture
async def no_leaked_tasks() -> AsyncIterator[None]:
    """Fails a test whose tasks outlive it and all its other fixtures."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=GRACE_S)
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left)
        pytest.fail("tasks outlived the test: " + ", ".join(sorted(map(repr, left))))


@pytest.fixture
def shared_data() -> Path:
    """The folder of recorded candles; a test that asks for it carries the mark shared_data."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the recorded candles of {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """A new folder that the servers' user can reach, as those of tmp_path cannot for root."""
    with _server_folder() as folder:
        yield folder


@contextmanager
def _server_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="alpha-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server_place() -> Iterator[Place]:
    with _server_folder() as folder:
        yield find_place(folder)


@contextmanager
def _stay(start: Callable[[], Coroutine[Any, Any, Stay]]) -> Iterator[asyncio.Runner]:
    """One use of a server for the whole run, on an event loop of its own: those of the tests
    come and go."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        stay = runner.run(start())
        try:
            yield runner
        finally:
            runner.run(stay.leave())


@pytest.fixture(scope="session")
def postgres_template(server_place: Place) -> Iterator[tuple[Place, str]]:
    """The server, and the name of a database with the migrations applied. Its data need not
    survive a power cut."""
    fast = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    program = system_program(SYSTEM_POSTGRES)
    programs = program.parent if program else None
    starting = partial(
        start_postgres, server_place, SystemClock(), settings=fast, programs=programs
    )
    with _stay(starting) as runner:
        runner.run(_execute(server_place, "CREATE DATABASE migrated"))
        runner.run(migrate(dsn(server_place, "migrated"), ROOT / "migrations"))
        yield server_place, "migrated"


_numbers = count(1)


@pytest.fixture
async def postgres_dsn(postgres_template: tuple[Place, str]) -> AsyncIterator[str]:
    """The URL of a database of this test's own with the migrations applied."""
    place, template = postgres_template
    name = f"test_{next(_numbers)}"
    await _execute(place, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield dsn(place, name)
    await _execute(place, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def _execute(place: Place, statement: str) -> None:
    connection = await asyncpg.connect(dsn(place, "postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def _redis_server(server_place: Place) -> Iterator[str]:
    program = system_program(SYSTEM_REDIS)
    with _stay(partial(start_valkey, server_place, "test", SystemClock(), program=program)):
        yield url(server_place, "test")


@pytest.fixture
async def redis_url(_redis_server: str) -> AsyncIterator[str]:
    """The URL of an empty Redis, without a database number."""
    client = Redis.from_url(_redis_server)
    await client.flushall()
    yield _redis_server
    await client.flushall()
    await client.aclose()
