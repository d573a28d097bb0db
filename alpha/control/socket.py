"""The daemon's unix socket: one line of JSON in, one line of JSON out, per connection.

Request `{"verb": "stop", "arguments": {"bot": "shortseller"}}`; answer `{"data": ..., "text":
...}` or `{"error": "one line", "code": 2}`. Who may open the socket file (0600, in a folder of
the daemon's user) may give any verb.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pwd
import socket
import stat
import struct
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from alpha.control.layer import Actor, Control
from alpha.control.verbs import Answer
from alpha.control.wire import encode
from alpha.errors import AlphaError, NotRunning, TimedOut

log = structlog.get_logger(__name__)

#: Room for a path in sockaddr_un on Linux is 108 bytes, on macOS 104.
_MAX_PATH_BYTES = 100
_MAX_REQUEST_BYTES = 64 * 1024
_ANSWER_WITHIN_S = 30.0


class RemoteError(AlphaError):
    """What the daemon said no with; carries the exit code that it chose."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code


def socket_path(data_dir: Path) -> Path:
    """Where the daemon of a data directory listens: inside of it, or, where that path is too
    long for a socket, in a folder of the temporary directory that is named after it."""
    inside = data_dir.absolute() / "control" / "alpha.sock"
    if len(os.fsencode(inside)) <= _MAX_PATH_BYTES:
        return inside
    name = hashlib.sha256(os.fsencode(data_dir.absolute())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"alpha-{name}" / "alpha.sock"


def _check_folder(folder: Path) -> None:
    """A folder that somebody else made in the temporary directory is not to be trusted."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), 0):
        raise AlphaError(f"expected {folder} to be a folder of this user, was another's; remove it")


class ControlServer:
    """Answers verbs on the socket while the daemon runs. The caller holds the data directory's
    lock, so that a socket file that is already there is a dead predecessor's."""

    def __init__(self, control: Control, path: Path) -> None:
        self._control = control
        self.path = path
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self) -> None:
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_folder(folder)
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(
            self._connected, path=self.path, limit=_MAX_REQUEST_BYTES
        )
        self.path.chmod(0o600)

    async def stop(self) -> None:
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for client, writer in self._clients.items():
            client.cancel()
            writer.close()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await server.wait_closed()
        self.path.unlink(missing_ok=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer), name="control-client")
        self._clients[task] = writer
        task.add_done_callback(self._clients.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(reader, _peer(writer))
            writer.write(answer.encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError):
            log.debug("control_client_gone")
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, operator: str) -> str:
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                verb, arguments = _read_request(await reader.readline())
                answer = await self._control.run(verb, arguments, Actor("cli", operator, "admin"))
        except AlphaError as error:
            return encode({"error": str(error), "code": error.exit_code})
        except TimeoutError:
            return encode({"error": "expected an answer within 30 s, was none", "code": 5})
        except Exception as error:
            log.exception("control_verb_failed")
            return encode({"error": f"internal error: {type(error).__name__}", "code": 1})
        return encode({"data": answer.data, "text": answer.text})


def _read_request(line: bytes) -> tuple[str, dict[str, str]]:
    try:
        request = json.loads(line)
        verb, arguments = request["verb"], request.get("arguments", {})
        items = {str(name): str(value) for name, value in arguments.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AlphaError('expected {"verb": ..., "arguments": {...}}, was another line') from None
    return str(verb), items


def _peer(writer: asyncio.StreamWriter) -> str:
    """The user at the other end (SO_PEERCRED of unix(7); elsewhere only "local")."""
    found = writer.get_extra_info("socket")
    option = getattr(socket, "SO_PEERCRED", None)
    if found is None or option is None:
        return "local"
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", found.getsockopt(socket.SOL_SOCKET, option, size))
    return user_named(uid)


def user_named(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid:{uid}"


async def ask(data_dir: Path, verb: str, arguments: Mapping[str, str]) -> Answer:
    """Gives a verb to the daemon of `data_dir`.

    Raises NotRunning when none listens, RemoteError with the daemon's own words when it says no,
    TimedOut when it does not answer."""
    path = socket_path(data_dir)
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S + 5):
            line = await _exchange(path, encode({"verb": verb, "arguments": dict(arguments)}))
    except (FileNotFoundError, ConnectionError):
        raise NotRunning(
            f"expected a running daemon on {data_dir}, found none; start it with `alpha run`"
        ) from None
    except TimeoutError:
        raise TimedOut(
            f"expected the daemon on {data_dir} to answer within {_ANSWER_WITHIN_S:.0f} s, "
            "was silent; look at its log"
        ) from None
    except PermissionError:
        raise AlphaError(
            f"expected to be allowed to open {path}, was not; run as the daemon's user"
        ) from None
    return _read_answer(line)


async def _exchange(path: Path, request: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        _check_folder_of_peer(path)
        writer.write(request.encode() + b"\n")
        await writer.drain()
        return await reader.read()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _check_folder_of_peer(path: Path) -> None:
    if path.parent.parent == Path(tempfile.gettempdir()):
        _check_folder(path.parent)


def _read_answer(line: bytes) -> Answer:
    if not line.endswith(b"\n"):
        raise NotRunning("expected an answer from the daemon, found that it ended; ask again")
    document = json.loads(line)
    if "error" in document:
        raise RemoteError(str(document["error"]), int(document["code"]))
    return Answer(document["data"], str(document["text"]))
