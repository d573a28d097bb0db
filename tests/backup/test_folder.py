"""Which backups are kept, and that the newest good one always is."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alpha.backup.folder import Backup, BackupFolder, Kind, Ledger, Manifest, sha256_of
from alpha.backup.folder import unfinished_of as unfinished
from alpha.clock import iso
from alpha.config.load import load
from alpha.config.settings import BackupSettings
from alpha.errors import AlphaError, ConfigError, NotFound
from tests.backup.conftest import backups_of

START = datetime(2025, 1, 1, 2, tzinfo=UTC)
KEEP = BackupSettings()


def made(folder: BackupFolder, kind: Kind, at: datetime) -> Backup:
    """A backup as its maker leaves it, of a few bytes."""
    ms = round(at.timestamp() * 1000)
    path = folder.place(kind, ms, 8, "none")
    file = unfinished(path)
    file.write_bytes(b"a dump of " + at.isoformat().encode())
    manifest = Manifest(
        file=path.name,
        kind=kind,
        mode="paper",
        created_ms=ms,
        created_at=iso(ms),
        seconds=0.1,
        alpha="0",
        database="",
        server="18",
        pg_dump="18.6",
        schema_version=8,
        ledger=Ledger(None, 0, 0),
        rows={},
        candles=False,
        encryption="none",
        bytes=file.stat().st_size,
        sha256=sha256_of(file),
    )
    return folder.finish(file, path, manifest)


def test_a_dump_whose_manifest_cannot_be_written_is_not_left(tmp_path: Path) -> None:
    """As on a disk that is full by then; without a manifest nothing would ever remove it."""
    folder = BackupFolder(tmp_path, "paper")
    path = folder.place("manual", round(START.timestamp() * 1000), 8, "none")
    (path.parent / f".{path.name}.json.unfinished").mkdir()
    with pytest.raises(OSError, match="unfinished"):
        made(folder, "manual", START)
    assert not [one for one in path.parent.iterdir() if one.is_file()]


def names(folder: Path, place: str) -> list[str]:
    return sorted(path.name for path in (folder / place).glob("*.dump"))


def test_a_year_of_every_third_day(tmp_path: Path) -> None:
    folder = BackupFolder(tmp_path, "paper")
    for number in range(132):
        made(folder, "daily", START + timedelta(days=3 * number))
        if number % 20 == 0:
            folder.prune(KEEP)
    folder.prune(KEEP)
    last = (START + timedelta(days=3 * 131)).date()
    daily = names(tmp_path, "daily")
    assert len(daily) == 30
    assert daily[-1] == f"alpha-paper-{last:%Y%m%d}.dump"
    assert daily[0] == f"alpha-paper-{last - timedelta(days=3 * 29):%Y%m%d}.dump"
    weekly, monthly = names(tmp_path, "weekly"), names(tmp_path, "monthly")
    assert len(weekly) == len(monthly) == 12
    year, week, _ = last.isocalendar()
    assert weekly[-1] == f"alpha-paper-{year}{week:02d}.dump"
    assert (monthly[0], monthly[-1]) == ("alpha-paper-202502.dump", "alpha-paper-202601.dump")
    # The month's is that of its first day, and it is a file of its own by now.
    first = (tmp_path / "monthly" / "alpha-paper-202511.dump").read_bytes()
    assert first.endswith(b"2025-11-03T02:00:00+00:00")
    assert (tmp_path / "daily" / "latest").resolve().name == daily[-1]
    assert not list(tmp_path.rglob("*.unfinished"))


def test_the_newest_good_one_stays(tmp_path: Path) -> None:
    folder = BackupFolder(tmp_path, "paper")
    good = made(folder, "hourly", START)
    for hour in range(1, 60):
        bad = made(folder, "hourly", START + timedelta(hours=hour))
        bad.path.write_bytes(b"a disk that has gone wrong")
    folder.prune(KEEP)
    assert good.path.exists()
    assert len(names(tmp_path, "last")) == 49
    made(folder, "hourly", START + timedelta(hours=60))
    folder.prune(KEEP)
    assert not good.path.exists()


def test_those_made_by_hand_stay(tmp_path: Path) -> None:
    folder = BackupFolder(tmp_path, "paper")
    by_hand = made(folder, "manual", START)
    for hour in range(1, 60):
        made(folder, "hourly", START + timedelta(hours=hour))
    folder.prune(KEEP)
    assert by_hand.path.exists()
    assert folder.find(by_hand.path.name) == by_hand
    assert folder.find(by_hand.name) == by_hand
    with pytest.raises(NotFound, match="expected a backup"):
        folder.find("last/alpha-paper-20200101T000000Z")


def test_another_mode_is_another_matter(tmp_path: Path) -> None:
    made(BackupFolder(tmp_path, "paper"), "manual", START)
    assert BackupFolder(tmp_path, "live").all() == []


def test_two_in_one_second(tmp_path: Path) -> None:
    folder = BackupFolder(tmp_path, "paper")
    first, second = made(folder, "manual", START), made(folder, "manual", START)
    assert first.path != second.path
    assert len(folder.all()) == 2


def test_a_backup_is_encrypted_once(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[backup]\nage_recipient = 'age1x'\ngpg_recipient = 'a@b.c'\n")
    with pytest.raises(ConfigError, match="encrypted once"):
        load(file, {}, {})


# -- encryption -----------------------------------------------------------------------------------


@pytest.fixture
def gpg_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if shutil.which("gpg") is None:
        pytest.skip("needs gpg")
    home = Path("/tmp") / f"alpha-gpg-{id(monkeypatch):x}"  # its socket's path has to be short
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    try:
        subprocess.run(
            ["gpg", "--batch", "--passphrase", "", "--quick-gen-key", "backup@example.org"],
            check=True,
            capture_output=True,
        )
        yield "backup@example.org"
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


async def test_gpg_encrypts_and_verifies(ledger_dsn: str, tmp_path: Path, gpg_key: str) -> None:
    backups = backups_of(ledger_dsn, tmp_path, gpg_recipient=gpg_key)
    backup = await backups.create()
    assert backup.path.name.endswith(".dump.gpg")
    assert b"PGDMP" not in backup.path.read_bytes()[:64]
    found = await backups.verify("latest")
    assert found["ok"] is True, found["problems"]
    # Somebody without the key. The agent ends first: it takes its sockets away while it does.
    end = ["gpgconf", "--kill", "all"]
    await asyncio.to_thread(subprocess.run, end, check=True, capture_output=True)
    shutil.rmtree(os.environ["GNUPGHOME"], ignore_errors=True)
    shutil.rmtree(os.environ["GNUPGHOME"], ignore_errors=True)
    os.mkdir(os.environ["GNUPGHOME"], 0o700)
    with pytest.raises(AlphaError, match="expected gpg to succeed"):
        await backups.verify("latest")


@pytest.fixture
def age_key(tmp_path: Path) -> tuple[str, Path]:
    """A public key, and the file of the private one."""
    if shutil.which("age") is None or shutil.which("age-keygen") is None:
        pytest.skip("needs age and age-keygen")
    identity = tmp_path / "identity"
    done = subprocess.run(["age-keygen", "-o", str(identity)], check=True, capture_output=True)
    return done.stderr.decode().rpartition(":")[2].strip(), identity


async def test_age_encrypts_and_verifies(
    ledger_dsn: str, tmp_path: Path, age_key: tuple[str, Path]
) -> None:
    recipient, identity = age_key
    settings = {"age_recipient": recipient, "age_identity": str(identity)}
    backups = backups_of(ledger_dsn, tmp_path, **settings)
    backup = await backups.create()
    assert backup.path.read_bytes().startswith(b"age-encryption.org")
    assert (await backups.verify("latest"))["ok"] is True
