"""The audit and the fold are two implementations of the same books: they agree on anything."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alpha.core.reasons as reasons_module
import alpha.ledger.audit as audit_module
from alpha.core.book import Book
from alpha.core.events import CASH_ONLY, POSITION_CHANGING, Execution
from alpha.core.records import AttributionRules, BookChange, Commit
from alpha.core.steps import NO_STEPS, QtySteps
from alpha.ledger import columns
from alpha.ledger.audit import KEYS, RowKey, Value, recompute
from alpha.ledger.batch import Batch
from alpha.ledger.columns import Columns
from alpha.ledger.queries import load
from tests.ledger.conftest import ACCOUNT
from tests.ledger.ledgers import STEP, SYMBOL, executions, facts_of, flat_often, knowledge
from tests.ledger.samples import T0, execution

Tables = dict[str, dict[RowKey, dict[str, object]]]


def test_the_audit_shares_no_code_with_the_fold() -> None:
    tree = ast.parse(Path(str(audit_module.__file__)).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} | {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    assert {name for name in imported if name and name.startswith("alpha")} == {
        "alpha.core.events",
    }


@pytest.mark.parametrize("exec_type", ["Trade", *sorted(POSITION_CHANGING | CASH_ONLY), "Odd"])
def test_both_read_the_same_reason_from_every_word_of_the_exchange(exec_type: str) -> None:
    created = [*reasons_module._BY_CREATE_TYPE, *audit_module._WORDS, "", "UNKNOWN", "CreateByUser"]
    stops = [*reasons_module._BY_STOP_TYPE, "", "UNKNOWN", "Stop"]
    known = set(reasons_module._BY_CREATE_TYPE) | set(reasons_module._BY_STOP_TYPE)
    assert set(audit_module._WORDS) == known
    for create_type in created:
        if create_type in reasons_module._BY_STOP_TYPE:
            continue
        for stop_type in stops:
            row = replace(
                execution("e1", T0),
                exec_type=exec_type,
                create_type=create_type,
                stop_order_type=stop_type,
            )
            expected = reasons_module.from_exchange(exec_type, create_type, stop_type)
            assert audit_module._exchange_word(row) == expected, (create_type, stop_type)


def _key(value: object) -> Value:
    assert isinstance(value, str | int)
    return value


def as_written(batch: Batch) -> Tables:
    """What the writer would store, by table and key, with the tables' column names."""
    statements = load("writes.sql")

    def named(statement: str, values: Columns) -> tuple[str, list[dict[str, object]]]:
        found = re.search(r"INSERT INTO (\S+)[^(]*\(([^)]*)\)", statements[statement])
        assert found is not None
        names = [name.strip() for name in found[2].split(",")]
        return found[1], [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]

    tables: Tables = {table: {} for table in KEYS}
    for table, rows in (
        named("upsert_fills", columns.fills(batch.fills.values())),
        named("upsert_funding", columns.funding(batch.funding.values())),
        named("upsert_lots", columns.lots(batch.lots.values())),
        named("upsert_round_trips", columns.round_trips(batch.round_trips.values())),
        named("upsert_cycles", columns.cycles(batch.cycles.values())),
    ):
        for row in rows:
            tables[table][tuple(_key(row[name]) for name in KEYS[table])] = row
    return tables


@settings(max_examples=400, deadline=None)
@given(
    rows=st.one_of(executions(), flat_often()),
    rules=knowledge(),
    step=st.sampled_from((STEP, None)),
)
def test_the_audit_agrees_with_the_fold(
    rows: list[Execution], rules: AttributionRules, step: Decimal | None
) -> None:
    book = Book(ACCOUNT, SYMBOL, qty_steps=QtySteps.always(step) if step else NO_STEPS)
    change = book.add(rows, rules)
    expected = recompute(rows, facts_of(rules, step))
    written = as_written(Batch.of([Commit(ACCOUNT, change=change)]))
    for table, wanted in expected.tables.items():
        assert written[table].keys() == wanted.keys(), table
        for key, row in wanted.items():
            stored = {name: written[table][key][name] for name in row}
            assert stored == row, (table, key)
    positions = {bot: at.signed_qty for bot, at in book.positions().items()}
    assert positions == expected.positions


@settings(max_examples=200, deadline=None)
@given(data=st.data(), rows=st.one_of(executions(), flat_often()), rules=knowledge())
def test_any_delivery_written_in_any_batches_ends_as_the_audit_says(
    data: st.DataObject, rows: list[Execution], rules: AttributionRules
) -> None:
    """Rows one by one in any order with duplicates, several commits in one batch: what is
    taken back and written again adds up to the same tables."""
    deliveries = data.draw(st.permutations([*rows, *rows[:3]]))
    book = Book(ACCOUNT, SYMBOL, qty_steps=QtySteps.always(STEP))
    changes: list[BookChange] = [book.add([row], rules) for row in deliveries]
    written = as_written(Batch.of(Commit(ACCOUNT, change=change) for change in changes))
    expected = recompute(rows, facts_of(rules))
    for table, wanted in expected.tables.items():
        stored = {
            key: {name: row[name] for name in wanted[key]} if key in wanted else row
            for key, row in written[table].items()
        }
        assert stored == wanted, table
