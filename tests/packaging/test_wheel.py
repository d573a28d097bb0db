"""The wheel works in an empty folder: plugins, migrations and settings travel in it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that an installer would have unpacked it to."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(installed: Path, cwd: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "HOME": str(cwd)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_owns_one_name_only(installed: Path) -> None:
    names = {path.name for path in installed.iterdir()}
    assert "alpha" in names
    assert all(name == "alpha" or name.endswith(".dist-info") for name in names)


def test_what_a_checkout_has_beside_the_package_travels_in_it(installed: Path) -> None:
    for name, pattern in (("migrations", "*.sql"), ("plugins", "**/*.py")):
        beside, inside = ROOT / name, installed / "alpha" / f"_{name}"
        expected = {path.relative_to(beside): path.read_bytes() for path in beside.glob(pattern)}
        found = {path.relative_to(inside): path.read_bytes() for path in inside.glob(pattern)}
        assert expected
        assert found == expected
    inside = installed / "alpha" / "_config.toml"
    assert inside.read_bytes() == (ROOT / "config.toml").read_bytes()


def test_every_file_of_the_package_is_in_it(installed: Path) -> None:
    def files(package: Path) -> set[str]:
        return {
            path.relative_to(package).as_posix()
            for path in package.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    inside = {name for name in files(installed / "alpha") if not name.startswith("_")}
    beside = {name for name in files(ROOT / "alpha") if not name.startswith("_")}
    assert inside == beside


def test_the_command_reads_its_settings_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    script = "import sys; from alpha.cli import main; sys.exit(main(['config', 'check']))"
    run(installed, tmp_path, "-c", script)
    assert list(tmp_path.iterdir()) == []


def test_its_plugins_load_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    script = (
        "import alpha; from alpha.bots.discovery import Catalog; "
        "from alpha.resources import plugins_folder; "
        "print(alpha.__file__, Catalog([plugins_folder()], {}).get('shortseller').name)"
    )
    assert run(installed, tmp_path, "-c", script).split() == [
        str(installed / "alpha" / "__init__.py"),
        "shortseller",
    ]
