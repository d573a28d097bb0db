"""The documentation says what there is: verbs, commands, keys, exit codes."""

from __future__ import annotations

import re
from pathlib import Path

from alpha.cli.app import app
from alpha.config import Config
from alpha.config.load import leaves
from alpha.config.schema import all_keys, dotted
from alpha.config.show import as_text
from alpha.control.verbs import VERBS
from alpha.errors import ConfigError, NotFound, NotRunning, TimedOut

DOCS = Path(__file__).parents[2] / "docs"
CONTROL = (DOCS / "control.md").read_text(encoding="utf-8")
CONFIGURATION = (DOCS / "configuration.md").read_text(encoding="utf-8")


def _first_cells(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_each_verb_has_a_row_and_a_section() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \| `alpha", CONTROL, re.MULTILINE))
    assert set(rows) == set(VERBS)
    for name, verb in VERBS.items():
        arguments = " ".join(argument.usage for argument in verb.arguments)
        cells = [cell.strip().strip("`") for cell in rows[name].split("|")]
        assert cells == [arguments, verb.role, "yes" if verb.acts else "no"], name
        assert f"\n### {name}\n" in CONTROL
        assert f"`/{verb.usage}`" in CONTROL or f"`/{name}`" in CONTROL


def _commands() -> set[str]:
    found = {f"alpha {command.name}" for command in app.registered_commands}
    for group in app.registered_groups:
        typer = group.typer_instance
        assert typer is not None
        if typer.registered_callback and typer.registered_callback.invoke_without_command:
            found.add(f"alpha {group.name}")
        found |= {f"alpha {group.name} {command.name}" for command in typer.registered_commands}
    return found


def test_each_command_is_documented() -> None:
    documented = {cell for cell in _first_cells(CONTROL) if cell.startswith("alpha ")}
    assert documented == _commands()


def test_each_key_is_documented_and_no_other() -> None:
    documented = [cell for cell in _first_cells(CONFIGURATION) if cell.islower() or "NAME" in cell]
    assert documented == [dotted(key) for key in all_keys()]


def test_exit_codes_are_documented() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d) \|", CONTROL, re.MULTILINE)}
    raised = {error.exit_code for error in (ConfigError, NotFound, NotRunning, TimedOut)}
    assert raised | {0, 1} == documented


def test_defaults_are_documented() -> None:
    cells = dict(re.findall(r"^\| `([a-z_.]+)` \|\s*(.*?)\s*\|", CONFIGURATION, re.MULTILINE))
    for key, value in leaves(Config()):
        words = cells[dotted(key)].strip().strip("`")
        shown_value = re.sub(r'^"|"$', "", as_text(value))
        if key == ("data_dir",):
            shown_value = Path(shown_value).name
        assert words == shown_value, dotted(key)
