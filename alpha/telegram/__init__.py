"""C2 over Telegram. Importing this package is cheap; the client is loaded only with a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alpha.clock import Clock
from alpha.config import Config
from alpha.control.layer import Control

if TYPE_CHECKING:
    from alpha.telegram.c2 import TelegramC2


def from_config(config: Config, control: Control, clock: Clock) -> TelegramC2 | None:
    """The C2 task of these settings, to be run beside the daemon's others; None without a
    token."""
    token = config.telegram.token.get_secret_value()
    if not token:
        return None
    from alpha.telegram.c2 import TelegramC2

    return TelegramC2(
        control,
        token=token,
        admin_ids=config.telegram.admin_ids,
        base_url=config.telegram.base_url,
        state_file=config.data_dir / "control" / "telegram.json",
        clock=clock,
    )
