"""What an import did, or would do: counts and sums before and after, and every row not taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alpha.imports.found import Found, Kind, Reject, Tally

#: (what, bot, symbol) -> sums; what is trades, fills or records
Sums = Mapping[tuple[str, str, str], Tally]


@dataclass(frozen=True, slots=True)
class Report:
    """`brought` and `known` by what the rows became: trades, fills, records. `known` ones were
    imported before. `import_id` is None when nothing was written."""

    kind: Kind
    source: str
    sha256: str | None
    dry_run: bool
    found: Found
    brought: Mapping[str, Tally]
    known: Mapping[str, int]
    before: Sums
    after: Sums
    notes: Sequence[str]
    import_id: int | None = None

    @property
    def new_rows(self) -> int:
        return sum(tally.rows for tally in self.brought.values())

    def as_json(self) -> dict[str, object]:
        found = self.found
        return {
            "kind": self.kind,
            "source": self.source,
            "sha256": self.sha256,
            "dry_run": self.dry_run,
            "import_id": self.import_id,
            "new_rows": self.new_rows,
            "tables": {table: self._table(table) for table in self._tables()},
            "imported": {what: _sums(tally) for what, tally in self.brought.items()},
            "duplicates": dict(self.known),
            "rejected": [_reject(row) for row in found.rejects],
            "unpaired": [_reject(row) for row in found.unpaired],
            "source_sums": [
                {"table": table, "bot": bot, "symbol": symbol, **_sums(tally)}
                for (table, bot, symbol), tally in sorted(found.by_symbol.items())
            ],
            "before": _listed(self.before),
            "after": _listed(self.after),
            "notes": list(self.notes),
        }

    def _tables(self) -> list[str]:
        return sorted({*self.found.read, *self.found.left_out})

    def _table(self, table: str) -> dict[str, object]:
        """One table of the source: what was read, and what of it went no further."""
        found = self.found
        left_out = found.left_out.get(table, {})
        reasons: dict[str, int] = {}
        for row in found.rejects:
            if row.table == table:
                reasons[row.reason] = reasons.get(row.reason, 0) + 1
        skipped = Tally()
        for tally in left_out.values():
            skipped.add(tally)
        return {
            "read": _sums(found.read.get(table, skipped)),
            "rejected": _sums(found.rejected.get(table, Tally())),
            "rejected_by_reason": reasons,
            "left_out": _sums(skipped),
            "left_out_by_reason": {reason: tally.rows for reason, tally in left_out.items()},
        }


def _reject(row: Reject) -> dict[str, str]:
    return {"table": row.table, "place": row.place, "key": row.key, "reason": row.reason}


def _sums(tally: Tally) -> dict[str, object]:
    return {
        "rows": tally.rows,
        "quantity": tally.quantity,
        "net_pnl": tally.net_pnl,
        "fees": tally.fees,
    }


def _listed(sums: Sums) -> list[dict[str, object]]:
    return [
        {"what": what, "bot": bot, "symbol": symbol, **_sums(tally)}
        for (what, bot, symbol), tally in sums.items()
    ]
