"""The hub's endpoints for files, served from folders on this machine: what its own client libraries ask for.

https://huggingface.co/docs/hub/api: repositories, their trees, and files with their ETag and commit.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
KINDS = ("models", "datasets")


class Mirror:
    """Serves `folder/models/owner/name` and `folder/datasets/owner/name`.

    Attributes:
        asked: paths of all requests, in their order.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []

    def repository(self, kind: str, name: str) -> Path:
        """Returns where a repository's files are put, which are then on the hub."""
        place = self.folder / kind / name
        place.mkdir(parents=True, exist_ok=True)
        return place

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Returns status, headers and body of a GET."""
        self.asked.append(path)
        parts = unquote(urlsplit(path).path).strip("/").split("/")
        if parts[0] == "api" and len(parts) >= 4 and parts[1] in KINDS:
            return self._api(parts[1], "/".join(parts[2:4]), parts[4:])
        kind = parts.pop(0) if parts[0] == "datasets" else "models"
        if len(parts) > 4 and parts[2] == "resolve":
            return self._file(self.folder / kind / parts[0] / parts[1], "/".join(parts[4:]))
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"

    def _api(self, kind: str, name: str, rest: list[str]) -> tuple[int, dict[str, str], bytes]:
        place = self.folder / kind / name
        if not place.is_dir():
            return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
        if rest[:1] == ["tree"]:
            return _json([entry for entry in _entries(place) if _inside(entry, rest[2:])])
        siblings = [{"rfilename": entry["path"]} for entry in _entries(place)]
        about = {"id": name, "sha": COMMIT, "private": False, "tags": [], "siblings": siblings}
        return _json(about | {"downloads": 0, "likes": 0, "gated": False, "disabled": False})

    def _file(self, place: Path, name: str) -> tuple[int, dict[str, str], bytes]:
        if not place.is_dir():
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        if not (place / name).is_file():
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
        body = (place / name).read_bytes()
        etag = f'"{hashlib.sha1(body).hexdigest()}"'
        return 200, {"ETag": etag, "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}, body


def _json(value: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _entries(place: Path) -> list[dict[str, Any]]:
    files = sorted(path for path in place.rglob("*") if path.is_file())
    return [
        {
            "type": "file",
            "path": str(path.relative_to(place)),
            "size": path.stat().st_size,
            "oid": hashlib.sha1(path.read_bytes()).hexdigest(),
        }
        for path in files
    ]


def _inside(entry: dict[str, Any], folder: list[str]) -> bool:
    return not folder or entry["path"].startswith("/".join(folder) + "/")


@contextmanager
def serving(mirror: Mirror) -> Iterator[str]:
    """Yields the address at which a mirror answers, to this machine only."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = mirror.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kind, owner, name = self.path.strip("/").split("/")[1:4]
            mirror.asked.append(self.path)
            wanted = asked.get("paths", [])
            entries = _entries(mirror.folder / kind / owner / name)
            _, headers, body = _json([entry for entry in entries if entry["path"] in wanted])
            self.send_response(200)
            for header in (*headers.items(), ("Content-Length", str(len(body)))):
                self.send_header(*header)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keeps test output free of requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
