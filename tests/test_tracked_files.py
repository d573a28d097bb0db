"""What is in the repository speaks of nothing outside it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

_DOCUMENT = re.compile(r"(?<![\w*{}])([\w./-]*[\w-]\.md)\b")
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_HOME = re.compile(r"/(?:home|Users)/[a-z]\w*")


@pytest.fixture(scope="module")
def texts() -> dict[Path, str]:
    """Every tracked text file by its path from the root."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a checkout, to know which files are tracked")
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    found = {}
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            content = path.read_bytes()
            if b"\0" not in content:
                found[Path(name)] = content.decode("utf-8")
    assert Path("pyproject.toml") in found
    return found


def test_no_path_of_a_machine(texts: dict[Path, str]) -> None:
    here = str(ROOT)
    found = [
        str(path)
        for path, text in texts.items()
        if (here.count("/") > 1 and here in text) or _HOME.search(text)
    ]
    assert found == []


def test_no_private_key(texts: dict[Path, str]) -> None:
    assert [str(path) for path, text in texts.items() if _KEY.search(text)] == []


def test_documents_that_are_named_exist(texts: dict[Path, str]) -> None:
    """A name without a folder may stand for a document anywhere in the repository."""
    names = {path.name for path in texts} | {path.as_posix() for path in texts}
    missing = [
        f"{path} names {document}"
        for path, text in texts.items()
        if path != Path(__file__).relative_to(ROOT)
        for document in _DOCUMENT.findall(text)
        if document.lstrip("./") not in names and not (ROOT / path.parent / document).exists()
    ]
    assert missing == []


def test_the_locks_hold_names_versions_and_hashes_only(texts: dict[Path, str]) -> None:
    package = r"[a-z0-9-]+(\[[a-z,]+\])?==[\w.+]+( ; [\w .<>='()!]+)? \\"
    line = re.compile(rf"#.*|{package}|    --hash=sha256:[0-9a-f]{{64}}( \\)?")
    for group in ("runtime", "dev", "peers", "scale", "fuzz"):
        lock = texts[Path(f"requirements/{group}.txt")]
        assert [found for found in lock.splitlines() if not line.fullmatch(found)] == []
        assert "//" not in lock
