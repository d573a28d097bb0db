"""SQL kept as SQL: named statements out of the `.sql` files beside this module.

A statement starts with `-- name: words` and ends where the next begins; the comment lines that
follow the name say what it is for.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_HEADER = re.compile(r"^-- name: ([a-z0-9_]+)$", re.MULTILINE)


@cache
def load(file: str) -> dict[str, str]:
    """All statements of one file by name. Raises ValueError on a name used twice."""
    text = resources.files("alpha.ledger").joinpath(file).read_text("utf-8")
    parts = _HEADER.split(text)[1:]
    statements: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in statements:
            raise ValueError(f"expected each name once in {file}, was twice: {name}")
        statements[name] = body.strip()
    return statements
