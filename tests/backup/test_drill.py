"""The drill, small: a real daemon trades, the database is lost, nothing of the exchange is."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.timeout(400)
def test_a_lost_database_comes_back_with_every_execution() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.drill", "--fills", "4000", "--jobs", "1", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    reconciled = found["reconcile"]
    assert found["fills"] == 4_000
    assert found["restore"]["ok"] is True
    assert found["restore"]["executions"] > 4_000
    # The backup is older than what was lost: that has come from the exchange.
    assert reconciled["restored"] > 0 and reconciled["lost_and_fetched"] > 0
    assert (reconciled["missing"], reconciled["invented"]) == (0, 0), found
    assert (reconciled["verify"], reconciled["exchange"]) == (True, "ok"), found
    assert found["ok"] is True and done.returncode == 0, found
