"""Whether a plugin reaches outside: by what its sources import and call, and by what it does.

Sources are read, not run: modules that wait, read, write, know the time or draw numbers, calls
like `open` and `datetime.now`. While the plugin runs, an audit hook of the interpreter hears what
opens files, sockets and processes with a frame of the plugin on the stack.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from alpha.bots.discovery import AnyPlugin

#: Modules that a plugin has no use for.
MODULES = frozenset(
    {
        *("asyncio", "concurrent", "multiprocessing", "signal", "subprocess", "threading"),
        *("io", "os", "pathlib", "shutil", "socket", "ssl", "tempfile", "glob", "sqlite3", "mmap"),
        *("logging", "structlog", "sys", "ctypes", "importlib"),
        *("time", "random", "secrets", "uuid"),
        *("http", "urllib", "ftplib", "smtplib", "requests", "httpx", "aiohttp", "websockets"),
        *("asyncpg", "redis", "psycopg", "psycopg2", "sqlalchemy"),
    }
)
BUILTINS = frozenset({"open", "print", "input", "exec", "eval", "compile", "__import__"})
#: Of `datetime` and `date`.
CLOCKS = frozenset({"now", "utcnow", "today"})
#: Audit events (docs.python.org/3/library/audit_events.html) of what is outside, by their first
#: word.
AUDITED = frozenset(
    {
        *("open", "os", "socket", "subprocess", "shutil", "tempfile", "sqlite3", "urllib", "http"),
        *("ftplib", "smtplib", "poplib", "imaplib", "nntplib", "telnetlib", "webbrowser", "mmap"),
        *("fcntl", "pty", "ctypes", "glob", "pathlib", "time", "signal", "syslog"),
    }
)
#: What importing a module does.
_IMPORTING = "<frozen importlib"


def sources(plugin: AnyPlugin) -> list[Path]:
    """The Python files of the plugin's package, its tests left out."""
    name: str = getattr(plugin.strategy, "__module__", "")
    top = name.partition(".")[0]
    if top.startswith("alpha_plugin_"):
        name = top  # found in a folder: the folder is the package
    file = getattr(sys.modules.get(name), "__file__", None)
    if not isinstance(file, str):
        return []
    path = Path(file)
    if not hasattr(sys.modules[name], "__path__") and "." not in name:
        return [path]
    found = sorted(path.parent.rglob("*.py"))
    return [one for one in found if not one.name.startswith(("test_", "conftest"))]


def read_sources(files: Sequence[Path]) -> list[str]:
    """What the files import or call that reaches outside, with file and line."""
    found = []
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"), str(file))):
            what = _outside(node)
            if what is not None:
                found.append(f"{file.name}:{getattr(node, 'lineno', 0)} {what}")
    return found


def _outside(node: ast.AST) -> str | None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.partition(".")[0] in MODULES:
                return f"imports {alias.name}"
    elif isinstance(node, ast.ImportFrom):
        module = node.module or ""
        if not node.level and (module.partition(".")[0] in MODULES or module == "alpha.clock"):
            return f"imports {module}"
    elif isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Name) and called.id in BUILTINS:
            return f"calls {called.id}()"
        if isinstance(called, ast.Attribute) and called.attr in CLOCKS:
            of = called.value
            name = of.id if isinstance(of, ast.Name) else getattr(of, "attr", "")
            if name in ("datetime", "date"):
                return f"calls {name}.{called.attr}()"
    return None


class Watch:
    """What code below `places` (folders or files) has done outside while the watch was on."""

    def __init__(self, places: Sequence[Path]) -> None:
        self.places = tuple(str(place.resolve()) for place in places)
        self.heard: list[str] = []

    def add(self, places: Sequence[Path]) -> None:
        self.places += tuple(str(place.resolve()) for place in places)

    def hear(self, event: str, arguments: tuple[object, ...], frame: FrameType | None) -> None:
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith(_IMPORTING):
                return
            if file.startswith(self.places):
                shown = ", ".join(repr(one) for one in arguments[:2])
                at = f"{Path(file).name}:{frame.f_lineno} in {frame.f_code.co_name}"
                self.heard.append(f"{at} did {event}({shown})")
                return
            frame = frame.f_back


_on: list[Watch] = []
_installed: list[bool] = []


@contextmanager
def watching(places: Sequence[Path]) -> Iterator[Watch]:
    """An interpreter's audit hook cannot be taken back: there is one, that hears nothing while
    nobody watches."""
    watch = Watch(places)
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_audit)
    _on.append(watch)
    try:
        yield watch
    finally:
        _on.remove(watch)


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if _on and event.partition(".")[0] in AUDITED:
        frame = sys._getframe(1)
        for watch in _on:
            watch.hear(event, arguments, frame)
