"""Makes a Python process and all its children write down every address they try to reach.

Two nets: an audit hook sees each look-up and connection that Python makes, and a proxy that
leads nowhere sees clients written in other languages, which ask the environment for one.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import patience

HOOK = """
import os, socket, sys

LOCAL = {"", "localhost", "::1", "0.0.0.0", "::", socket.gethostname()}

def watch(event, args):
    if event in ("socket.connect", "socket.sendto"):
        address = args[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = (args[0],)
    else:
        return
    if not isinstance(address, tuple):
        return  # a Unix socket
    host = address[0] or ""
    host = host.decode() if isinstance(host, bytes) else host
    if host in LOCAL or host.startswith("127."):
        return
    with open(os.environ["OFFLINE_SPY_LOG"], "a") as log:
        log.write(f"{event} {host}\\n")

sys.addaudithook(watch)
"""


class Spy:
    """Environment to run a program in, and what it tried to reach."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "attempts.log"
        self._hook = folder / "hook"
        self._hook.mkdir()
        (self._hook / "sitecustomize.py").write_text(HOOK)
        self._proxy = socket.create_server(("127.0.0.1", 0))
        self._proxied: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def environment(self) -> dict[str, str]:
        """The current environment, watched, with a home of its own and no telemetry setting."""
        kept = {k: v for k, v in os.environ.items() if k.lower() not in {"do_not_track", "no_proxy"}}
        proxy = f"http://127.0.0.1:{self._proxy.getsockname()[1]}"
        proxies = dict.fromkeys(["http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"], proxy)
        watched = {
            "OFFLINE_SPY_LOG": str(self._log),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(self._hook), os.environ.get("PYTHONPATH")])),
            "HOME": str(self._log.parent),
            "NO_PROXY": "localhost,127.0.0.1,::1",
            "no_proxy": "localhost,127.0.0.1,::1",
        }
        return {**kept, **proxies, **watched}

    def attempts(self) -> list[str]:
        """What was tried so far."""
        seen = self._log.read_text().splitlines() if self._log.exists() else []
        return seen + self._proxied

    def close(self) -> None:
        """Stop listening."""
        self._proxy.close()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._proxy.accept()
            except OSError:
                return
            with client:
                client.settimeout(patience.SECONDS)
                request = client.recv(200).split(b"\r\n")[0].decode(errors="replace")
                self._proxied.append(f"proxy {request}")
