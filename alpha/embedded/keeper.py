"""Keeps one server process for as long as anybody uses it.

Run as a script of its own, with nothing but the standard library, by whoever needs the server
first. A user is a connection to the keeper's control socket; the kernel closes it however the
user ends. When the last one is gone the server is stopped cleanly, so neither a kill -9 of the
daemon nor a reader that leaves before it can orphan a server or take it away from others. A
server that dies while it has users is started again.

The keeper holds a lock on its data for its whole life (a `flock` inherited from the process that
started it), and the server is told by the kernel to stop when the keeper dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

#: A server that lived this long has started well; earlier deaths in a row are counted.
SETTLED_S = 10.0
#: So many early deaths in a row, and the keeper gives up and says why.
GIVE_UP_AFTER = 5
#: A log larger than this begins anew at the next start; one earlier log is kept.
LOG_LIMIT_BYTES = 8 * 1024 * 1024

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Order:
    """What to keep. All paths are absolute; signals are numbers.

    `prepare`, when the folder `data` is missing, fills the folder `unfinished`, which then takes
    its place at once. `comm` is the name that the kernel shows for the server's processes, which
    all work in `data`. `stale` are the files in which a server names its process, and which mean
    nothing once it is dead. `uid` and `gid` are set when the server has to run as somebody
    else."""

    name: str
    command: list[str]
    comm: str
    data: str
    unfinished: str
    prepare: list[str]
    stale: list[str]
    control: str
    log: str
    uid: int | None
    gid: int | None
    stop_signal: int
    stop_within_s: float

    def encode(self) -> str:
        return json.dumps(asdict(self))


class Keeper:
    """One server, its users, and the loop that waits for either to go."""

    def __init__(self, order: Order, log: BinaryIO) -> None:
        self.order = order
        self._log = log
        self._server: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._early_deaths = 0
        self._retry_at: float | None = None
        self._users: set[socket.socket] = set()
        self._last: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._wake = _wake_on_signals()
        self._selector.register(self._wake, selectors.EVENT_READ)

    def run(self, first: socket.socket) -> int:
        """Serves until the last user is gone; the exit status of the keeper."""
        self._listen()
        self._welcome(first)
        try:
            self._prepare()
            end_leftovers(self.order)
            self._start()
            while self._users:
                self._wait()
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            self._tell(f"failed {self.order.name} did not start: {error}")
            return 1
        finally:
            self._stop()
        return 0

    def _listen(self) -> None:
        control = Path(self.order.control)
        control.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(control))
        listener.listen(64)
        listener.setblocking(False)
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)

    def _welcome(self, user: socket.socket) -> None:
        user.setblocking(False)
        self._users.add(user)
        self._selector.register(user, selectors.EVENT_READ)
        self._send(user, "kept")

    def _prepare(self) -> None:
        order = self.order
        data, unfinished = Path(order.data), Path(order.unfinished)
        if data.exists():
            return
        target = unfinished if order.prepare else data
        shutil.rmtree(unfinished, ignore_errors=True)
        target.mkdir(mode=0o700)
        if order.uid is not None and order.gid is not None:
            os.chown(target, order.uid, order.gid)
        if not order.prepare:
            return
        done = subprocess.run(
            order.prepare,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=order.uid,
            group=order.gid,
            extra_groups=None if order.uid is None else [],
            env=_environment(),
            cwd=target,
        )
        if done.returncode != 0:
            raise RuntimeError(
                f"expected {order.prepare[0]} to succeed, was status {done.returncode}: "
                f"{last_words(done.stdout)}"
            )
        unfinished.rename(data)
        _sync_folder(data.parent)

    def _start(self) -> None:
        self._retry_at = None
        order = self.order
        self._server = subprocess.Popen(
            order.command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            user=order.uid,
            group=order.gid,
            extra_groups=None if order.uid is None else [],
            env=_environment(),
            cwd=order.data,
            start_new_session=True,
            preexec_fn=_die_with_parent(order.stop_signal),
        )
        self._started = time.monotonic()

    def _wait(self) -> None:
        pause = None if self._retry_at is None else max(0.0, self._retry_at - time.monotonic())
        for key, _ in self._selector.select(pause):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._wake:
                self._wake.recv(4096)
            elif isinstance(key.fileobj, socket.socket):
                self._hear(key.fileobj)
        self._look_after_server()

    def _accept(self) -> None:
        assert self._listener is not None
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            user, _ = self._listener.accept()
            self._welcome(user)

    def _hear(self, user: socket.socket) -> None:
        """A user says nothing; the end of its stream is its leave."""
        try:
            if user.recv(4096):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._selector.unregister(user)
        self._users.discard(user)
        if self._users:
            user.close()
        else:
            self._last = user  # stays open until the server is gone: its user waits for that

    def _look_after_server(self) -> None:
        if self._server is not None and self._server.poll() is not None:
            status = self._server.returncode
            self._server = None
            lived = time.monotonic() - self._started
            self._early_deaths = self._early_deaths + 1 if lived < SETTLED_S else 1
            if self._early_deaths >= GIVE_UP_AFTER:
                words = last_words(Path(self.order.log).read_bytes()[-4096:])
                raise RuntimeError(f"ended {self._early_deaths} times, status {status}: {words}")
            self._retry_at = time.monotonic() + 0.05 * 2**self._early_deaths
        if self._users and self._retry_at is not None and time.monotonic() >= self._retry_at:
            end_leftovers(self.order)
            self._start()

    def _stop(self) -> None:
        if self._listener is not None:
            Path(self.order.control).unlink(missing_ok=True)
            self._listener.close()
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(self.order.stop_signal)
            try:
                self._server.wait(self.order.stop_within_s)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()

    def _tell(self, line: str) -> None:
        for user in self._users:
            self._send(user, line)

    @staticmethod
    def _send(user: socket.socket, line: str) -> None:
        with contextlib.suppress(OSError):
            user.send(line.replace("\n", " ").encode() + b"\n")


def end_leftovers(order: Order) -> None:
    """Ends the processes of an earlier server that still work on these data, and then removes
    the files that name them.

    The keeper's lock says that none of them is kept. A pid in a file proves nothing: it may be
    another process's by now, or a zombie's. So a process counts only when it has the server's
    name and works in the data folder. Without /proc the server's own check has to do."""
    if not Path("/proc/self/stat").exists():
        return
    for sign, patience in ((order.stop_signal, order.stop_within_s), (signal.SIGKILL, 5.0)):
        found = processes_in(order.data, order.comm)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        deadline = time.monotonic() + patience
        while found and time.monotonic() < deadline:
            time.sleep(0.01)
            found = processes_in(order.data, order.comm)
        if not found:
            for name in order.stale:
                Path(name).unlink(missing_ok=True)
            return
    raise RuntimeError(f"expected no other {order.comm} on {order.data}, was process {found[0]}")


def processes_in(folder: str, comm: str) -> list[int]:
    """The ids of living processes named `comm` whose working folder is `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (entry / "comm").read_text("utf-8", "replace").strip() != comm[:15]:
                continue
            if os.path.samefile(entry / "cwd", folder):  # a zombie has none
                found.append(int(entry.name))
        except OSError:
            continue
    return sorted(found)


def last_words(output: bytes) -> str:
    """The last lines of what a process said, as one."""
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return " / ".join(line.strip() for line in lines[-3:]) or "no output"


def _environment() -> dict[str, str]:
    """Servers get nothing of ours: no PG* setting, no secret of the daemon."""
    kept = ("PATH", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
    return {"LC_ALL": "C", **{name: os.environ[name] for name in kept if name in os.environ}}


def _die_with_parent(sign: int) -> Callable[[], None] | None:
    """Asks the kernel to signal the server when the keeper dies. The keeper has one thread, so
    the thread that forks, whose death counts, is the process."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    keeper = os.getpid()

    def arm() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, sign)
        if os.getppid() != keeper:  # it died before the request was in
            os._exit(1)

    return arm


def _wake_on_signals() -> socket.socket:
    """A socket that becomes readable on each signal. Requests to end are not followed: they
    reach everything at a shutdown, and the users still have to write."""
    wake, sender = socket.socketpair()
    wake.setblocking(False)
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.detach(), warn_on_full_buffer=False)
    for sign in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, lambda *_: None)
    return wake


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _open_log(order: Order) -> BinaryIO:
    log = Path(order.log)
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    opened = open(log, "ab", buffering=0)  # noqa: SIM115  (open as long as the keeper lives)
    if order.uid is not None and order.gid is not None:
        os.fchown(opened.fileno(), order.uid, order.gid)
    return opened


def main(arguments: list[str]) -> int:
    """`keeper.py ORDER LOCK_FD USER_FD`: leaves its parent at once and keeps."""
    order = Order(**json.loads(arguments[0]))
    first = socket.socket(fileno=int(arguments[2]))
    if os.fork():
        os._exit(0)
    os.umask(0o077)
    log = _open_log(order)
    for stream in (1, 2):
        os.dup2(log.fileno(), stream)
    return Keeper(order, log).run(first)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
