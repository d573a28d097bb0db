"""A network's distance in front of the simulator.

pybit sends a request and only then notes its id, and ends its thread when the answer comes
first: over a real network it never does, on the same machine it may.
"""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

DELAY_S = 0.02


@contextmanager
def distance_to(host: str, port: int) -> Iterator[int]:
    """A port on which everything that `host:port` says arrives `DELAY_S` later, or a little
    more; what is said to it, at once."""

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((host, port)) as far:
                answers = threading.Thread(target=carry, args=(far, self.request, DELAY_S))
                answers.start()
                carry(self.request, far, 0)
                answers.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Relay) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def carry(source: socket.socket, target: socket.socket, delay_s: float) -> None:
    """All that comes from `source`, to its end. What comes during a pause waits in the kernel."""
    try:
        while data := source.recv(1 << 16):
            time.sleep(delay_s)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        target.close()  # either side is gone: the other learns it
