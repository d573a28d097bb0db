"""The documents say what there is: links, paths, commands, tables, keys, fields, tests."""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import typer

from alpha.alerts import PARTS
from alpha.cli.app import app
from alpha.config.schema import all_keys, dotted
from alpha.control.verbs import VERBS
from alpha.core.canonical import EXECUTION_FIELDS, Override, override_line
from alpha.core.refusals import REJECTED_BY
from alpha.state import keys
from alpha.state.picture import BotPicture, MarketPicture, OrderPicture, PositionPicture
from tests.conftest import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*/README.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
LEDGER = (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8")
REDIS = (ROOT / "docs" / "redis.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SIMULATOR = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")

FOLDERS = "alpha|tests|docs|script|deploy|plugins|migrations|bench|requirements"
every_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)


def first_cells(text: str) -> list[str]:
    """The code in the first cells of all tables."""
    cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    return [code for cell in cells for code in re.findall(r"`([^`]+)`", cell)]


# -- everywhere -----------------------------------------------------------------------------------


@every_document
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [target for target in targets if not target.startswith(("https://", "mailto:"))]
    missing = [one for one in local if not (document.parent / one.partition("#")[0]).exists()]
    assert missing == []


@every_document
def test_paths_that_are_named_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


def commands() -> dict[str, set[str]]:
    """The options of each command: {"alpha bots list": {"--json", "--config", ...}}."""
    found: dict[str, set[str]] = {}

    def walk(command: object, words: str) -> None:
        children = getattr(command, "commands", None)
        if children:
            for name, child in children.items():
                walk(child, f"{words} {name}")
            if not getattr(command, "invoke_without_command", False):
                return
        parameters = getattr(command, "params", [])
        found[words] = {
            name
            for one in parameters
            for name in (*one.opts, *one.secondary_opts)
            if name.startswith("--")
        }

    walk(typer.main.get_command(app), "alpha")
    return found


def called(text: str) -> Iterator[list[str]]:
    """Every call of `alpha` in shell blocks and in running text."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    lines += re.findall(r"`(alpha [a-z][^`]*)`", text)
    for line in lines:
        words = shlex.split(line.partition(" #")[0].replace("...", ""))
        if words[:1] == ["alpha"]:
            yield words


@every_document
def test_commands_exist_with_their_options(document: Path) -> None:
    known = commands()
    assert {"alpha run", "alpha bots stop", "alpha ledger verify"} <= set(known)
    for words in called(document.read_text(encoding="utf-8")):
        name = next((" ".join(words[:n]) for n in (3, 2) if " ".join(words[:n]) in known), None)
        assert name is not None, f"there is no command {' '.join(words)}"
        options = {re.split(r"[=\\]", word)[0] for word in words if word.startswith("--")}
        assert options <= known[name] | {"--help"}, " ".join(words)


# -- README ---------------------------------------------------------------------------------------


def test_the_first_two_commands_are_there() -> None:
    first = [line.split()[0] for line in blocks(README, "sh")[0].splitlines()]
    assert first == ["script/run", "script/test"]
    for name in first:
        assert os.access(ROOT / name, os.X_OK), name


def test_every_verb_is_shown() -> None:
    shown = {" ".join(words[1:3]) for words in called(README)}
    shown |= {words[1] for words in called(README)}
    for verb in VERBS:
        plain = verb.removesuffix("_apply")  # an option of the command
        words = plain.replace("_", " ")
        assert shown & {plain, words, f"bots {verb}", f"fills {verb}"}, verb


def test_properties_name_tests_that_exist() -> None:
    claims = re.findall(r"\[(test_\w+)\]\((tests/[\w/.]+)\)", README)
    assert len(claims) >= 10
    for name, file in claims:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), f"{file}: {name}"


def test_settings_that_are_shown_are_settings() -> None:
    known = {dotted(key) for key in all_keys()}

    def leaves(table: dict[str, object], above: str = "") -> Iterator[str]:
        for key, value in table.items():
            if isinstance(value, dict):
                yield from leaves(value, f"{above}{key}.")
            else:
                yield above + key

    shown = [leaf for block in blocks(README, "toml") for leaf in leaves(tomllib.loads(block))]
    assert len(shown) >= 5
    for leaf in shown:
        general = re.sub(r"^(accounts|bots)\.\w+", r"\1.NAME", leaf).removesuffix("_file")
        assert general in known, leaf


def test_the_picture_is_a_recording_that_fetches_nothing() -> None:
    """Strange hosts, scripts or fonts have no place in it."""
    picture = (ROOT / "docs" / "live-table.svg").read_text(encoding="utf-8")
    words = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", picture)).replace("&#160;", " ")
    for expected in ("paper", "shortseller", "running", "realised", "last fill"):
        assert expected in words, expected
    assert re.search(r"\w+USDT (long|short) [0-9.]+ @ [0-9.]+", words)
    assert set(re.findall(r"https?://[^\"')\s]+", picture)) == {"http://www.w3.org/2000/svg"}
    assert "<script" not in picture


# -- architecture ---------------------------------------------------------------------------------


def test_every_part_is_described() -> None:
    described = set(first_cells(ARCHITECTURE.partition("## Decisions")[0]))
    packages = {f"alpha/{path.parent.name}" for path in ROOT.glob("alpha/*/__init__.py")}
    assert packages | {"alpha/daemon.py", "plugins"} == described


# -- ledger ---------------------------------------------------------------------------------------


def test_every_table_is_described_and_no_other() -> None:
    schema = "".join(path.read_text("utf-8") for path in sorted(ROOT.glob("migrations/*.sql")))
    dropped = set(re.findall(r"DROP TABLE (\w+\.\w+)", schema))
    tables = set(re.findall(r"CREATE TABLE (\w+\.\w+)", schema)) - dropped
    assert len(tables) > 10
    assert sorted(first_cells(LEDGER.partition("## Views")[0])) == sorted(tables)
    views = re.findall(r"CREATE (?:OR REPLACE |MATERIALIZED )?VIEW (\w+\.\w+)", schema)
    (described,) = re.findall(r"<!-- views -->(.*?)<!-- /views -->", LEDGER, re.DOTALL)
    cells = [line.split("|")[1] for line in described.strip().splitlines()[2:]]
    named = {view for cell in cells for view in re.findall(r"`(\w+\.\w+)`", cell)}
    assert named == set(views)


def test_every_rule_that_refuses_an_intent_is_named() -> None:
    (names,) = re.findall(r"<!-- rejected_by -->(.*?)<!-- /rejected_by -->", LEDGER, re.DOTALL)
    assert tuple(re.findall(r"`(\w+)`", names)) == REJECTED_BY


def test_every_system_event_is_named() -> None:
    told = {
        kind
        for path in ROOT.glob("alpha/recording/*.py")
        for kind in re.findall(r'"([A-Z]+(?:_[A-Z]+)*)"', path.read_text(encoding="utf-8"))
    }
    named = LEDGER.partition("Beside alerts: ")[2].partition("\n* ")[0]
    assert set(re.findall(r"`(\w+)`", named)) == told - {"INFO", "WARNING"}


def test_the_hash_is_described_field_by_field() -> None:
    (fields,) = re.findall(r"<!-- fields -->(.*?)<!-- /fields -->", LEDGER, re.DOTALL)
    assert tuple(re.findall(r"`(\w+)`", fields)) == EXECUTION_FIELDS
    assert override_line(Override("account", "exec_id", "bot_id")).split("|") == [
        "override",
        *re.findall(r"`(\w+)`", LEDGER.partition("the word `override` and")[2])[:3],
    ]


# -- Redis ----------------------------------------------------------------------------------------


def test_every_key_is_described_and_no_other() -> None:
    bot, symbol = "{bot}", "{symbol}"
    assert first_cells(REDIS.partition("## Messages")[0]) == [
        keys.position(bot, symbol),
        keys.position_details(bot, symbol),
        keys.position_alias(bot, symbol),
        keys.open_positions(bot),
        keys.order(bot, "{order_id}"),
        keys.open_orders(bot),
        keys.equity(bot),
        keys.bot_state(bot),
        keys.bot_metrics(bot),
        keys.heartbeat(bot),
        keys.HEARTBEAT,
        keys.price(symbol),
        keys.candle(symbol, 60_000).replace(":1", ":{interval}"),
        keys.MODE,
        keys.run_token("{accounts}"),
    ]


def test_every_field_is_described_in_its_order() -> None:
    zero = Decimal(0)
    order = OrderPicture("", "", "", "", "", zero, zero, "")
    bot = BotPicture("", 0, "", "", "", {}, (), None, None, None)
    hashes = {
        keys.order("{bot}", "{order_id}"): keys.order_of(order),
        keys.equity("{bot}"): keys.equity_of(bot, 0),
        keys.bot_state("{bot}"): keys.state_of(bot),
        keys.bot_metrics("{bot}"): keys.metrics_of(bot),
        keys.price("{symbol}"): keys.price_of(zero, MarketPicture()),
    }
    rows = dict(re.findall(r"^\| `([^`]+)` \| hash \| ([^|]*) \|", REDIS, re.MULTILINE))
    for key, fields in hashes.items():
        assert rows[key] == ", ".join(fields), key
    details = REDIS.partition(":details`: ")[2].partition(". ")[0].replace("\n", " ")
    assert details == ", ".join(keys.details_of(PositionPicture(zero)))


def test_every_channel_is_described() -> None:
    described = first_cells(REDIS.partition("## Messages")[2])
    kinds = [keys.channel(kind, "{bot}") for kind in ("fills", "orders", "positions")]
    assert described == [*kinds, keys.EVENTS]


# -- operations -----------------------------------------------------------------------------------


#: Kinds whose tellers know the part better: a duty, a check, a limit, a task.
NAME_THEIR_PART = {
    "data_quality",
    "duty_failed",
    "no_progress",
    "risk_breach",
    "risk_resolved",
    "sink_away",
}


def test_every_kind_of_alert_is_described() -> None:
    told = {
        kind
        for path in ROOT.glob("alpha/**/*.py")
        for kind in re.findall(r'\.(?:tell|_alert)\(\s*"(\w+)"', path.read_text(encoding="utf-8"))
    }
    table = OPERATIONS.partition("| kind | meaning |")[2].partition("\n\n")[0]
    assert sorted(first_cells(table)) == sorted(told)
    assert sorted(told) == sorted({*PARTS, *NAME_THEIR_PART})


# -- simulator ------------------------------------------------------------------------------------


def test_every_option_of_the_simulator_is_described() -> None:
    described = set(re.findall(r"(--[a-z][a-z-]+)", SIMULATOR))
    assert described == commands()["alpha sim"]
