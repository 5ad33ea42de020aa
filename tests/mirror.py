"""An upstream repository behind a real HTTP server that answers conditional requests and counts all of them."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from quarters.formats import pages
from quarters.formats.pacman import Pacman
from quarters.model.repository import Compression, Upstream

_FORMAT = Pacman()


def index(*packages: str) -> bytes:
    """The database of a repository that holds `name=version` packages; `name=version:so=1-64` provides so=1-64."""
    parts = {}
    for package in packages:
        name, _, rest = package.partition("=")
        version, _, provides = rest.partition(":")
        desc = f"%FILENAME%\n{name}-{version}-any.pkg.tar.zst\n\n%NAME%\n{name}\n\n%VERSION%\n{version}\n\n"
        if provides:
            desc += f"%PROVIDES%\n{provides}\n\n"
        parts[name] = {"files": "%FILES%\n", "desc": desc}
    written = pages.whole(_FORMAT, "core", parts, Compression.GZIP)
    alias = _FORMAT.index_aliases("core", Compression.GZIP)
    return written[alias["core.db"]]


class Mirror:
    """What the server serves, how it marks it, and what it was asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.data = index()
        self.etags = True
        self.broken = False
        self.modified = 1_700_000_000
        self.asked: list[tuple[str, int]] = []
        """Paths with the status that each was answered with."""

    @property
    def upstream(self) -> Upstream:
        """As a repository names it."""
        return Upstream(name="core", server=f"http://127.0.0.1:{self.port}/$repo/$arch")

    @property
    def statuses(self) -> list[int]:
        """The status of each answer so far."""
        return [status for _, status in self.asked]

    def hold(self, *packages: str) -> None:
        """Serve another database from now on."""
        self.data = index(*packages)
        self.modified += 10


@contextmanager
def mirror() -> Iterator[Mirror]:
    """A running mirror that holds nothing yet."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            etag = f'"{hashlib.sha256(known.data).hexdigest()[:16]}"'
            date = formatdate(known.modified, usegmt=True)
            mark, asked = (etag, "If-None-Match") if known.etags else (date, "If-Modified-Since")
            status = 503 if known.broken else 304 if self.headers.get(asked) == mark else 200
            known.asked.append((self.path, status))
            self.send_response(status)
            self.send_header("ETag" if known.etags else "Last-Modified", mark)
            self.send_header("Content-Length", str(len(known.data)) if status == 200 else "0")
            self.end_headers()
            if status == 200:
                self.wfile.write(known.data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known = Mirror(server.server_address[1])
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def folder(root: Path, *packages: str) -> Upstream:
    """The same as files below `root`."""
    place = root / "core" / "x86_64"
    place.mkdir(parents=True, exist_ok=True)
    (place / "core.db").write_bytes(index(*packages))
    return Upstream(name="core", server=f"file://{root}/$repo/$arch")
