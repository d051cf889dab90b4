"""A port for a server that a test starts."""

from __future__ import annotations

import random
import socket

BELOW_OUTGOING = range(20_000, 30_000)  # systems give outgoing connections ports from 32,768 (or higher) on


def free_port() -> int:
    """A port that nobody listens on, and that no connection will take before the server binds it."""
    while True:
        port = random.SystemRandom().choice(BELOW_OUTGOING)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
