"""Where backups lie, what they are called, and which are kept.

    last/       alpha-paper-20261121T140000Z.dump   hourly ones, and those made by hand
    daily/      alpha-paper-20261121.dump           links to the same files
    weekly/     alpha-paper-202647.dump             ISO year and week
    monthly/    alpha-paper-202611.dump
    migration/  alpha-paper-0008-20261121T140000Z.dump   restore points, before a migration
    restore/    alpha-paper-20261121T140000Z.dump   what a restore has replaced
    redis/      alpha-paper-20261121.rdb            what Redis held

Beside each lies its manifest (`.json`), written last: one without the other is no backup. `latest`
in a folder links to its newest.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

import msgspec

from alpha.clock import utc
from alpha.config.settings import BackupSettings, Config
from alpha.errors import AlphaError, NotFound

Kind = Literal["hourly", "daily", "manual", "migration", "restore"]
Encryption = Literal["none", "age", "gpg"]

LAST = "last"
FOLDERS = (LAST, "daily", "weekly", "monthly", "migration", "restore")
#: Restore points, and what restores have replaced, that are kept.
KEEP_POINTS = 10
#: The ending that tells how a file is encrypted.
SEALED: dict[Encryption, str] = {"none": "", "age": ".age", "gpg": ".gpg"}
_UNFINISHED = ".unfinished"


class FolderBusy(AlphaError):
    """Another process writes a backup."""


class Ledger(msgspec.Struct, frozen=True):
    """What the ledger held in the snapshot. `sha256` is None where the schema was too old to read.
    `verified_ms` and `seen_ms`: how far each account was known, exchange time."""

    sha256: str | None
    executions: int
    fills: int
    seen_ms: dict[str, int] = msgspec.field(default_factory=dict)
    verified_ms: dict[str, int] = msgspec.field(default_factory=dict)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a backup without opening it. `sha256` and `bytes` are the file's; `rows`
    counts those of every table in the file."""

    file: str
    kind: Kind
    mode: str
    created_ms: int
    created_at: str  # the same as ISO 8601
    seconds: float
    alpha: str
    database: str
    server: str
    pg_dump: str
    schema_version: int
    ledger: Ledger
    rows: dict[str, int]
    candles: bool
    encryption: Encryption
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup. `name` is what verbs take: folder and file without their endings."""

    path: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{_stem(self.path)}"

    def row(self) -> dict[str, object]:
        """The columns of `alpha backup list`."""
        manifest = self.manifest
        return {
            "name": self.name,
            "kind": manifest.kind,
            "mode": manifest.mode,
            "created_at": manifest.created_at,
            "bytes": manifest.bytes,
            "schema_version": manifest.schema_version,
            "executions": manifest.ledger.executions,
            "fills": manifest.ledger.fills,
            "ledger_sha256": manifest.ledger.sha256,
            "encryption": manifest.encryption,
            "path": str(self.path),
        }


class BackupFolder:
    """The backups of one mode."""

    def __init__(self, root: Path, mode: str) -> None:
        self.root = root
        self.mode = mode

    @classmethod
    def of(cls, config: Config) -> BackupFolder:
        return cls(config.backup.dir or config.data_dir / "backups", config.mode)

    # -- writing ------------------------------------------------------------------------------

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time writes here. Raises FolderBusy naming the other."""
        make_private(self.root)
        fd = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(fd, 64, 0).decode(errors="replace").strip() or "unknown"
                raise FolderBusy(
                    f"expected no other backup to {self.root} under way, was process {holder}; "
                    f"wait for its end"
                ) from None
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(fd)

    def place(self, kind: Kind, at_ms: int, schema_version: int, encryption: Encryption) -> Path:
        """Where a new backup goes."""
        stamp = utc(at_ms).strftime("%Y%m%dT%H%M%SZ")
        folder = kind if kind in ("migration", "restore") else LAST
        version = f"{schema_version:04d}-" if kind == "migration" else ""
        make_private(self.root / folder)
        for number in count(1):
            again = f"-{number}" if number > 1 else ""  # two in one second
            name = f"alpha-{self.mode}-{version}{stamp}{again}.dump{SEALED[encryption]}"
            if not (self.root / folder / name).exists():
                break
        return self.root / folder / name

    def finish(self, unfinished: Path, path: Path, manifest: Manifest) -> Backup:
        """Gives a written file its name; from then on it is a backup, whatever happens."""
        sync_file(unfinished)
        unfinished.replace(path)
        try:
            _write_manifest(path, manifest)
        except BaseException:  # it is no backup, and nobody would ever remove it
            path.unlink(missing_ok=True)
            raise
        backup = Backup(path, manifest)
        _link_latest(backup)
        if manifest.kind == "daily":
            self._link_periods(backup)
        return backup

    def _link_periods(self, backup: Backup) -> None:
        """The newest of the day; the first of the week and of the month."""
        at = utc(backup.manifest.created_ms)
        year, week, _ = at.isocalendar()
        for folder, period, again in (
            ("daily", at.strftime("%Y%m%d"), True),
            ("weekly", f"{year}{week:02d}", False),
            ("monthly", at.strftime("%Y%m"), False),
        ):
            make_private(self.root / folder)
            name = f"alpha-{self.mode}-{period}.dump{SEALED[backup.manifest.encryption]}"
            path = self.root / folder / name
            known = _read_manifest(path)
            if known is None or again:
                self._link(backup, path)

    @staticmethod
    def _link(backup: Backup, path: Path) -> None:
        unfinished = path.with_name(f".{path.name}{_UNFINISHED}")
        unfinished.unlink(missing_ok=True)
        try:
            os.link(backup.path, unfinished)
        except OSError:  # a file system without links
            shutil.copy2(backup.path, unfinished)
            sync_file(unfinished)
        unfinished.replace(path)
        manifest = msgspec.structs.replace(backup.manifest, file=path.name)
        _write_manifest(path, manifest)
        _link_latest(Backup(path, manifest))

    # -- reading ------------------------------------------------------------------------------

    def all(self) -> list[Backup]:
        """Every backup of the mode, oldest first."""
        found = [
            backup
            for folder in FOLDERS
            for manifest in sorted((self.root / folder).glob(f"alpha-{self.mode}-*.json"))
            if (backup := _backup_of(manifest)) is not None
        ]
        return sorted(
            found, key=lambda one: (one.manifest.created_ms, -FOLDERS.index(folder_of(one)))
        )

    def newest(self, *kinds: Kind) -> Backup | None:
        """The newest of these kinds, of any without one."""
        found = [one for one in self.all() if not kinds or one.manifest.kind in kinds]
        return found[-1] if found else None

    def find(self, name: str, *kinds: Kind) -> Backup:
        """By name, by file name alone, or `latest`: the newest, but for what restores have
        replaced. Raises NotFound."""
        known = [one for one in self.all() if not kinds or one.manifest.kind in kinds]
        if name == "latest" and (regular := [k for k in known if k.manifest.kind != "restore"]):
            return regular[-1]
        wanted = {name, name.removesuffix(".dump")}
        found = [one for one in known if wanted & {one.name, one.path.name, _stem(one.path)}]
        if found:
            return found[0]
        what, none = "a backup", "none yet: alpha backup create"
        if kinds == ("migration",):
            what, none = "a restore point", "none yet, one is made before each migration"
        newest = ", ".join(one.name for one in known[-5:]) or none
        raise NotFound(
            f"expected {what} in {self.root}, was {name!r}; the newest of mode {self.mode}: "
            f"{newest}"
        )

    # -- keeping ------------------------------------------------------------------------------

    def prune(self, settings: BackupSettings) -> list[str]:
        """Removes what is older than what is kept, and returns the names. The newest good one
        stays in any case, and so do those that were made by hand."""
        keep = {
            LAST: settings.keep_hourly,
            "daily": settings.keep_daily,
            "weekly": settings.keep_weekly,
            "monthly": settings.keep_monthly,
            "migration": KEEP_POINTS,
            "restore": KEEP_POINTS,
        }
        known = self.all()
        good = next((one for one in reversed(known) if problem_of(one) is None), None)
        removed = []
        for folder, kept in keep.items():
            here = [
                one for one in known if folder_of(one) == folder and one.manifest.kind != "manual"
            ]
            for old in here[: max(0, len(here) - kept)]:
                if good is None or old.path != good.path:
                    _remove(old)
                    removed.append(old.name)
        self._remove_unfinished()
        return removed

    def _remove_unfinished(self) -> None:
        """What a process has left that was killed; the lock says that none is at work."""
        for folder in (*FOLDERS, "redis"):
            for path in (self.root / folder).glob(f".*{_UNFINISHED}"):
                path.unlink(missing_ok=True)


def folder_of(backup: Backup) -> str:
    """The folder that a backup lies in."""
    return backup.path.parent.name


def read_file(path: Path) -> Backup | None:
    """The backup that a file is, with the manifest beside it; None without one."""
    manifest = _read_manifest(path)
    return None if manifest is None else Backup(path, manifest)


def problem_of(backup: Backup) -> str | None:
    """What is wrong with the file; None when it is what was written."""
    if not backup.path.is_file():
        return f"expected a file {backup.path}, found none"
    size = backup.path.stat().st_size
    if size != backup.manifest.bytes:
        return f"expected {backup.manifest.bytes} bytes in {backup.path}, was {size}"
    found = sha256_of(backup.path)
    if found != backup.manifest.sha256:
        return f"expected sha256 {backup.manifest.sha256} of {backup.path}, was {found}"
    return None


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_private(folder: Path) -> Path:
    """A folder that nobody else can enter."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def unfinished_of(path: Path) -> Path:
    """An empty file that only this user can read, to be written and then named."""
    found = path.with_name(f".{path.name}{_UNFINISHED}")
    found.unlink(missing_ok=True)
    os.close(os.open(found, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return found


def sync_file(path: Path) -> None:
    """On the disk, and so is its name once the folder is."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _stem(path: Path) -> str:
    return path.name.partition(".dump")[0]


def _manifest_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _write_manifest(path: Path, manifest: Manifest) -> None:
    unfinished = unfinished_of(_manifest_path(path))
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    unfinished.write_bytes(text + b"\n")
    sync_file(unfinished)
    unfinished.replace(_manifest_path(path))
    sync_file(path.parent)


def _read_manifest(path: Path) -> Manifest | None:
    try:
        return msgspec.json.decode(_manifest_path(path).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        return None


def _backup_of(manifest_path: Path) -> Backup | None:
    path = manifest_path.with_suffix("")
    manifest = _read_manifest(path) if path.is_file() else None
    return None if manifest is None else Backup(path, manifest)


def _link_latest(backup: Backup) -> None:
    link = backup.path.with_name("latest")
    unfinished = link.with_name(f".latest{_UNFINISHED}")
    unfinished.unlink(missing_ok=True)
    with suppress(OSError):  # a convenience: a file system without links does without
        unfinished.symlink_to(backup.path.name)
        unfinished.replace(link)


def _remove(backup: Backup) -> None:
    _manifest_path(backup.path).unlink(missing_ok=True)
    backup.path.unlink(missing_ok=True)
