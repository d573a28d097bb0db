"""docs/library.md, run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from alpha import AlphaDB
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "library.md").read_text("utf-8")


def test_the_example_prints_what_it_says(postgres_dsn: str, redis_url: str, tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (printed,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={
            **{name: value for name, value in os.environ.items() if "BYBIT" not in name},
            "PYTHONPATH": str(ROOT),
            "ALPHA__POSTGRES__URL": postgres_dsn,
            "ALPHA__REDIS__URL": redis_url,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = re.escape(printed.strip()).replace(re.escape("..."), ".*")
    assert re.fullmatch(expected, done.stdout.strip()), done.stdout
    assert done.stderr == ""


def test_every_call_is_described() -> None:
    described = set(re.findall(r"^\| `(\w+)", PAGE, re.MULTILINE))
    calls = {name for name in vars(AlphaDB) if not name.startswith("_")}
    assert described == calls | {"AlphaDB"}
