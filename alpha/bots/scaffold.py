"""Writes the folder of a new plugin, from the template beside this file."""

from __future__ import annotations

import builtins
import keyword
import shutil
import sys
import tempfile
from pathlib import Path

import alpha.bots
from alpha.core.ids import BOT_ID
from alpha.errors import NeedsOperator, NotFound

_TEMPLATE = Path(__file__).parent / "template"
#: Names that mean something else: to backtests, to Alpha, to those who run without bots.
_TAKEN = frozenset({"alpha", "backtest", "manual", "none", "plugins", "tests"})
#: Names that the template's modules use.
_NAMES = frozenset({"Annotated", "Decimal", "Ema", "Mapping", "Sequence", *alpha.bots.__all__})


def check_name(name: str) -> None:
    """NotFound, the class of wrong usage, for a name that no plugin can have."""
    why = None
    if not BOT_ID.fullmatch(name) or not name[0].isalpha() or name.endswith("_"):
        why = "1 to 20 of a-z, 0-9 and _, a letter first"
    elif keyword.iskeyword(name) or name in sys.stdlib_module_names:
        why = "a name that Python does not use itself"
    elif name in _TAKEN or name.startswith("test_"):
        why = "a name that has no other meaning"
    if why is not None:
        raise NotFound(f"expected {why}, such as dip_buyer, was {name!r}")


def class_name(name: str) -> str:
    """`dip_buyer` as `DipBuyer`; a name that the template or Python has already gets `Bot` behind
    it."""
    found = "".join(part.capitalize() for part in name.split("_"))
    is_taken = found in _NAMES or hasattr(builtins, found) or keyword.iskeyword(found)
    return f"{found}Bot" if is_taken else found


def write_plugin(name: str, folder: Path) -> list[Path]:
    """Writes `folder/name` whole or not at all; the files, in order. NotFound for a bad name,
    NeedsOperator when the place is taken or cannot be written."""
    check_name(name)
    place = folder / name
    if place.exists() or place.is_symlink():
        raise NeedsOperator(f"{place}: expected no such folder yet; take another name or remove it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder))
        try:
            _fill(beside, name)
            beside.chmod(0o755)
            beside.rename(place)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    except OSError as error:
        raise NeedsOperator(
            f"{place}: expected to write there, was {error.strerror or error}"
        ) from error
    return sorted(place.iterdir())


def template_files() -> list[Path]:
    return sorted(_TEMPLATE.glob("*.txt"))


def _fill(place: Path, name: str) -> None:
    for template in template_files():
        text = template.read_text("utf-8")
        text = text.replace("{Class}", class_name(name)).replace("{name}", name)
        target = template.name.removesuffix(".txt").replace("NAME", name)
        (place / target).write_text(text, "utf-8")
