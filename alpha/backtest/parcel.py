"""A sweep's job for other machines, which have neither the candles nor the plugins of this one.

A parcel holds all that the points need but Alpha itself and installed packages: candles, filters
and rates as they were read here, and the files of the plugins that lie in folders. No secret of
the configuration goes along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alpha.backtest.fingerprint import files_below
from alpha.backtest.grid import Point
from alpha.backtest.setup import plugins_of
from alpha.backtest.sweep import Job, Worker
from alpha.backtest.tape import Folder
from alpha.config import Config
from alpha.config.settings import AccountSettings


@dataclass(frozen=True, slots=True)
class Parcel:
    """`plugins` are the files, by their path inside each of the job's plugin folders."""

    job: Job
    folder: Folder
    plugins: tuple[Mapping[str, bytes], ...]

    def unpacked(self, below: Path) -> Worker:
        """Writes the plugins into folders below an empty one and makes a worker of them."""
        folders = []
        for number, files in enumerate(self.plugins):
            folder = below / str(number)
            for name, content in files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            folders.append(folder)
        return Worker(replace(self.job, plugin_folders=tuple(folders)), self.folder)


def packed(job: Job, tasks: Sequence[Point]) -> Parcel:
    folder = Worker(job).gathered(tasks)
    wanted = plugins_of(job.config, job.request)
    plugins = tuple(
        {
            path.relative_to(one).as_posix(): path.read_bytes()
            for name in wanted
            for path in files_below(one / name)
        }
        for one in job.plugin_folders
    )
    return Parcel(replace(job, config=_without_secrets(job.config)), folder, plugins)


def _without_secrets(config: Config) -> Config:
    """What a backtest reads of the configuration."""
    return Config(
        bots=config.bots,
        accounts={
            name: AccountSettings(netting=one.netting) for name, one in config.accounts.items()
        },
        risk=config.risk,
    )
