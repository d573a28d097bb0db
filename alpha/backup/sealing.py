"""Encryption of backups with the programs that people have for it: age, or gpg.

Both encrypt to a public key, so the machine that makes backups need not be able to read them.
"""

from __future__ import annotations

from pathlib import Path

from alpha.backup.folder import Encryption
from alpha.backup.programs import Command
from alpha.config.settings import BackupSettings
from alpha.errors import ConfigError


def encryption_of(settings: BackupSettings) -> Encryption:
    """How new files are encrypted."""
    return "age" if settings.age_recipient else "gpg" if settings.gpg_recipient else "none"


def seal(settings: BackupSettings) -> list[Command]:
    """The programs through which a new file goes."""
    if settings.age_recipient:
        return [Command(["age", "--encrypt", "--recipient", settings.age_recipient], {})]
    if settings.gpg_recipient:
        # Whose key it is, the operator has decided by naming it.
        trusted = ["--trust-model", "always", "--recipient", settings.gpg_recipient]
        return [Command(["gpg", "--batch", "--no-tty", *trusted, "--encrypt"], {})]
    return []


def unseal(path: Path, settings: BackupSettings) -> list[Command]:
    """The programs through which a file is read, by its ending. Raises ConfigError where the key
    is not known."""
    if path.suffix == ".gpg":
        return [Command(["gpg", "--batch", "--no-tty", "--quiet", "--decrypt"], {})]
    if path.suffix == ".age":
        if settings.age_identity is None:
            raise ConfigError(
                f"backup.age_identity: expected the file of the private key that reads {path}, "
                f"found none; set [backup] age_identity"
            )
        return [Command(["age", "--decrypt", "--identity", str(settings.age_identity)], {})]
    return []
