"""Points of a sweep on a Ray cluster: each is a task, run by whichever machine has a CPU free.

What the tasks share goes to every machine once: a fingerprint of the code here, which each worker
process compares with its own before anything else, and the parcel with candles and plugins. Ray
runs a task again whose process or machine died.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import socket
import tempfile
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import ray
from ray import exceptions

from alpha.backtest.fingerprint import difference, fingerprint
from alpha.backtest.grid import Point
from alpha.backtest.parcel import Parcel, packed
from alpha.backtest.setup import plugins_of
from alpha.backtest.sweep import Job, Outcome, SweepFailed, Worker, hush
from alpha.errors import AlphaError

#: Scheme of addresses that go through a Ray client server; others are those of the head itself.
CLIENT = "ray://"
#: Addresses that Ray resolves itself: the cluster of this machine, and one made for this sweep.
RESOLVED = ("auto", "local")
#: How often a point is run again whose process died.
RETRIES = 2
#: Ray itself waits for minutes where nothing answers.
ANSWER_S = 5.0
#: Ctrl-C is heard at least so often.
TURN_S = 1.0
#: What opens an HTTP/2 connection, as gRPC does: the preface and empty SETTINGS, which a server
#: answers with its own.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS = 4
_PORTS = f"unless told, Ray's ports are 6379 for HOST:PORT and 10001 for {CLIENT}HOST:PORT"
_FOLDER = "alpha-sweep-"


class Cluster:
    """An executor on the Ray cluster at `address`, as `ray.init` takes it. At most `count` points
    are run at a time; None: as many as the cluster has CPUs."""

    def __init__(self, address: str, count: int | None = None) -> None:
        self._address = address
        self._count = count

    def run(self, job: Job, tasks: Sequence[Point]) -> Generator[Outcome, None, None]:
        """SweepFailed where there is no cluster, a machine has other code, or a point's process
        died once more than `RETRIES` times."""
        _connect(self._address)
        busy: dict[ray.ObjectRef, Point] = {}
        try:
            plugins = plugins_of(job.config, job.request)
            code = Code(plugins, fingerprint(plugins))
            # Inside a list references stay such, so that a process fetches their objects once.
            shared = [ray.put(code), ray.put(packed(job, tasks))]
            start = ray.remote(num_cpus=1, max_retries=RETRIES)(_run)
            waiting = iter(tasks)
            for point in islice(waiting, self._count):
                busy[start.remote(shared, point)] = point
            while busy:
                done, _ = ray.wait(list(busy), timeout=TURN_S)
                for reference in done:
                    point = busy.pop(reference)
                    outcome = _received(reference, point)
                    for following in islice(waiting, 1):
                        busy[start.remote(shared, following)] = following
                    yield outcome
        except (exceptions.RayError, ConnectionError) as error:
            raise SweepFailed(
                f"the Ray cluster at {self._address}: {_first_line(error)}", 1
            ) from None
        finally:
            for reference in busy:
                with suppress(Exception):  # the cluster may be what is gone
                    ray.cancel(reference, force=True)
            ray.shutdown()


def _connect(address: str) -> None:
    if address not in RESOLVED:
        _ask(address)
    # Options of a cluster are refused where there is one already.
    own = {"include_dashboard": False} if address == "local" else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (exceptions.RayError, ConnectionError, RuntimeError, ValueError) as error:
        raise SweepFailed(
            f"--ray {address}: expected a Ray cluster, found {_first_line(error)}; {_PORTS}", 1
        ) from None


def _ask(address: str) -> None:
    """SweepFailed where nothing listens, or something that is no Ray."""
    host, colon, port = address.removeprefix(CLIENT).rpartition(":")
    if not (host and colon and port.isdigit()):
        raise SweepFailed(
            f"--ray {address}: expected auto, local, HOST:PORT or {CLIENT}HOST:PORT", 2
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), ANSWER_S) as line:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return  # what is said is encrypted
            line.sendall(_HELLO)
            answer = line.makefile("rb").read(9)
    except (OSError, OverflowError) as error:
        raise SweepFailed(
            f"--ray {address}: expected a Ray cluster, found {error}; is it running "
            "(`ray status`), and does its port let this machine in?",
            1,
        ) from None
    if len(answer) < 9 or answer[3] != _SETTINGS:
        raise SweepFailed(
            f"--ray {address}: expected a Ray cluster, found something else there; {_PORTS}",
            1,
        )


def _received(reference: ray.ObjectRef, point: Point) -> Outcome:
    try:
        found: Outcome | Refusal = ray.get(reference)
    except exceptions.RayTaskError as error:
        # Before our code had a say: it cannot be imported there.
        raise SweepFailed(
            f"{point}: expected Alpha on every machine of the cluster, found {error.cause!r}; "
            "install the same version there"
            if isinstance(error.cause, ImportError)
            else f"{point}: internal error: {error.cause!r}",
            1,
            str(error) + "\n",
        ) from None
    except (
        exceptions.WorkerCrashedError,
        exceptions.NodeDiedError,
        exceptions.OutOfMemoryError,
    ) as error:
        raise SweepFailed(
            f"{point}: expected its figures, but its worker process died {RETRIES + 1} times "
            f"({_first_line(error)}); was there enough memory? --jobs with fewer takes less",
            1,
        ) from None
    if isinstance(found, Refusal):
        raise SweepFailed(
            f"machine {found.machine} of the Ray cluster cannot run what this one does: "
            f"{found.why}; install there what is installed here",
            1,
        )
    return found


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


# -- in the processes of the cluster ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Code:
    """What the driver runs: the plugins by name, and its fingerprint with them."""

    plugins: tuple[str, ...]
    fingerprint: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A machine that cannot run what the driver can."""

    machine: str
    why: str


#: The worker of this process, by the parcel that it came in.
_workers: dict[str, Worker | Refusal] = {}
#: Locks of its folders, open as long as it lives.
_held: list[BinaryIO] = []


def _run(shared: Sequence[ray.ObjectRef], point: Point) -> Outcome | Refusal:
    code, parcel = shared
    key = parcel.hex()
    if key not in _workers:
        _workers[key] = _settle(code, parcel)
    worker = _workers[key]
    return worker if isinstance(worker, Refusal) else worker.run(point)


def _settle(code: ray.ObjectRef, parcel: ray.ObjectRef) -> Worker | Refusal:
    hush()
    machine = str(ray.util.get_node_ip_address())
    wanted: Code = ray.get(code)
    why = difference(wanted.fingerprint, fingerprint(wanted.plugins))
    if why:
        return Refusal(machine, why)
    found: Parcel = ray.get(parcel)
    worker = found.unpacked(_own_folder())
    try:
        worker.load(wanted.plugins)
    except AlphaError as error:
        return Refusal(machine, str(error))  # no fault of a point: it could be run elsewhere
    return worker


def _own_folder() -> Path:
    """An empty folder for the life of this process. Ray kills its workers, so that each clears
    away what those before it have left: the lock on a folder goes with its process."""
    for path in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with suppress(OSError), (path / "lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    found = Path(tempfile.mkdtemp(prefix=f".{_FOLDER}"))
    lock = (found / "lock").open("ab")
    fcntl.flock(lock, fcntl.LOCK_EX)
    _held.append(lock)
    return found.rename(found.with_name(found.name.removeprefix(".")))
