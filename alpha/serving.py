"""The faces of a running daemon: control socket, Telegram, the terminal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

from alpha.alerts import Alerts
from alpha.clock import Clock
from alpha.config import Config
from alpha.control.desk import Desk, Status
from alpha.control.layer import Control
from alpha.control.socket import ControlServer, socket_path
from alpha.supervision import Supervisor


async def serve(
    stack: AsyncExitStack,
    config: Config,
    clock: Clock,
    supervisor: Supervisor,
    *,
    desk: Desk,
    picture: Callable[[], Status],
    alerts: Alerts,
) -> None:
    """Answers from now on; `stack` closes the socket."""
    control = Control(desk, clock)
    server = ControlServer(control, socket_path(config.data_dir))
    await server.start()
    stack.push_async_callback(server.stop)
    if config.telegram.token.get_secret_value():
        from alpha.telegram.c2 import TelegramC2

        center = TelegramC2(
            control,
            token=config.telegram.token.get_secret_value(),
            admin_ids=config.telegram.admin_ids,
            base_url=config.telegram.base_url,
            state_file=config.data_dir / "telegram.offset",
            clock=clock,
        )
        supervisor.keep("telegram", center.run, vital=False)
        alerts.listen(lambda alert: center.notify(alert.text()))
    from alpha.cli.live import LiveView

    supervisor.keep("terminal", LiveView(picture, clock).run, vital=False)
