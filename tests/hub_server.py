"""A small hub on this machine: two servers that answer like the hub and its file storage do."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import patience

COMMIT = "c0ffee" + "0" * 34
REPOSITORY = "toy/animals"


@dataclass
class Hub:
    """What the servers hold, what goes wrong, and what they were asked.

    `cuts` are numbers of bytes after which successive transfers break; `statuses` are answers
    given to the next requests to the hub instead of the right one; `served` replaces content. With `stops` the
    storage sends half of a file, and the rest only when that is set.
    """

    files: dict[str, bytes]
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    storage_statuses: list[int] = field(default_factory=list)
    served: dict[str, bytes] = field(default_factory=dict)
    size: int | None = None
    in_git: bool = False
    stops: threading.Event | None = None
    ranges: bool = True
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def __enter__(self) -> Hub:
        self.storage = self._serve(_Storage)
        self.hub = self._serve(_Hub)
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self.hub, self.storage):
            server.shutdown()
            server.server_close()

    def _serve(self, handler: type[_Handler]) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), {"world": self}))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.hub.server_port}"

    def ranges_asked(self) -> list[str | None]:
        """Range of every transfer, in order; None for one from the start."""
        return [
            headers.get("range") for method, path, headers in self.requests if (method, path[:6]) == ("GET", "/blob/")
        ]


class _Handler(BaseHTTPRequestHandler):
    world: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.world.requests.append((self.command, self.path, headers))
        self.respond(urlsplit(self.path).path, body=body)

    def respond(self, path: str, *, body: bool) -> None:
        raise NotImplementedError

    def reply(self, status: int, headers: dict[str, str], content: bytes = b"", *, body: bool = True) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


class _Hub(_Handler):
    def respond(self, path: str, *, body: bool) -> None:
        if self.world.statuses:
            status = self.world.statuses.pop(0)
            headers = {429: {"Retry-After": "0"}, 401: {"X-Error-Code": "GatedRepo"}}.get(status, {})
            self.reply(status, headers, body=body)
        elif path.startswith("/api/datasets/"):
            siblings = [{"rfilename": name} for name in ("README.md", "../evil.jsonl", *self.world.files)]
            listing = {"id": REPOSITORY, "sha": COMMIT, "siblings": siblings}
            self.reply(200, {"Content-Type": "application/json"}, json.dumps(listing).encode(), body=body)
        else:
            self.resolve(path, body=body)

    def resolve(self, path: str, *, body: bool) -> None:
        name = path.removeprefix(f"/datasets/{REPOSITORY}/resolve/{COMMIT}/")
        content = self.world.files.get(name)
        if content is None:
            self.reply(404, {"X-Error-Code": "EntryNotFound"}, body=body)
        elif self.world.in_git:
            etag = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            self.reply(
                200, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, self.world.served.get(name, content), body=body
            )
        else:
            headers = {
                "Location": f"http://127.0.0.1:{self.world.storage.server_port}/blob/{name}",
                "X-Repo-Commit": COMMIT,
                "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Linked-Size": str(self.world.size or len(content)),
            }
            self.reply(302, headers, body=body)


class _Storage(_Handler):
    def respond(self, path: str, *, body: bool) -> None:
        if self.world.storage_statuses:
            self.reply(self.world.storage_statuses.pop(0), {"Retry-After": "0"}, body=body)
            return
        name = path.removeprefix("/blob/")
        content = self.world.served.get(name, self.world.files[name])
        asked = self.headers.get("Range") if self.world.ranges else None
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.pour(content[start:])

    def pour(self, content: bytes) -> None:
        cut = self.world.cuts.pop(0) if self.world.cuts else len(content)
        if self.world.stops is not None:
            self.wfile.write(content[: cut // 2])
            self.world.stops.wait(patience.SECONDS)
            content, cut = content[cut // 2 :], cut - cut // 2
        self.wfile.write(content[:cut])
        if cut < len(content):
            self.wfile.flush()
            self.close_connection = True
