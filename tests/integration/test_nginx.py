"""The documented nginx in front of a server that hands files over to it."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from quarters.formats.pacman import Pacman
from quarters.protocol.resources import RepositoryChange
from quarters.server.settings import ServerSettings
from tests.press import Made, package
from tests.serving import Running, running

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")

MAIN = """
daemon off; pid {folder}/pid; error_log {folder}/errors; user root;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


@asynccontextmanager
async def front(folder: Path, packaged: Path, server: Running) -> AsyncIterator[str]:
    """nginx with the packaged configuration, its addresses and folder changed; yields where it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    site = packaged.read_text()
    for standing, here in (
        ("127.0.0.1:8710", server.url.removeprefix("http://")),
        ("listen 80;", f"listen {place};"),
        ("listen [::]:80;", ""),
        ("/var/lib/quarters", str(server.press.folder)),
    ):
        assert standing in site
        site = site.replace(standing, here)
    folder.mkdir()
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
    nginx = await asyncio.create_subprocess_exec(
        "nginx", "-c", str(folder / "nginx.conf"), stderr=subprocess.PIPE
    )
    try:
        await listening(place, nginx)
        yield f"http://{place}"
    finally:
        if nginx.returncode is None:
            nginx.terminate()
        await nginx.wait()


async def listening(place: str, nginx: asyncio.subprocess.Process) -> None:
    host, _, port = place.partition(":")
    async with asyncio.timeout(20):
        while nginx.returncode is None:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
    raise AssertionError("nginx does not run")


class Browser:
    """Fetches by way of nginx, or straight from the server."""

    def __init__(self, session: aiohttp.ClientSession, url: str, server: Running) -> None:
        self._session = session
        self._url = url
        self.server = server

    async def fetch(
        self, path: str, method: str = "GET", *, straight: bool = False, **headers: str
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(f"{self.server.url if straight else self._url}{path}", encoded=True)
        async with self._session.request(method, url, headers=sent, allow_redirects=False) as answer:
            return answer, await answer.read()


@pytest.fixture
async def browser(tmp_path: Path, project: Path) -> AsyncIterator[Browser]:
    settings = ServerSettings(port=0, shutdown_grace=1, accel="/from-quarters")
    async with (
        running(tmp_path, settings) as server,
        front(tmp_path / "nginx", project / "packaging" / "nginx.conf", server) as url,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        yield Browser(session, url, server)


@pytest.fixture
async def big(browser: Browser) -> Made:
    """A published package of some three megabytes that do not compress, with an epoch."""
    noise = "".join(sha256(str(number).encode()).hexdigest() for number in range(90_000))
    made = package("big", "1:1.0-1", text=noise)
    await browser.server.press.upload(made)
    return made


async def test_a_package_comes_whole_in_parts_and_not_at_all_if_it_is_known(
    browser: Browser, big: Made
) -> None:
    path = f"/repo/own/x86_64/{big.file_name}"
    answer, body = await browser.fetch(path)
    assert (answer.status, body) == (200, big.content)
    assert answer.headers["Content-Type"] == "application/gzip"
    assert "immutable" in answer.headers["Cache-Control"]
    assert "X-Accel-Redirect" not in answer.headers
    assert (await browser.fetch(path.replace(":", "%3A")))[1] == big.content

    part, body = await browser.fetch(path, range="bytes=1000000-")
    assert (part.status, body) == (206, big.content[1_000_000:])
    beyond, _ = await browser.fetch(path, range=f"bytes={len(big.content)}-")
    assert beyond.status == 416
    etag, modified = answer.headers["ETag"], answer.headers["Last-Modified"]
    assert (await browser.fetch(path, if_none_match=etag))[0].status == 304
    assert (await browser.fetch(path, if_modified_since=modified))[0].status == 304
    head, body = await browser.fetch(path, "HEAD")
    assert (head.status, body, head.headers["Content-Length"]) == (200, b"", str(len(big.content)))


async def test_only_nginx_gets_to_know_where_files_are(browser: Browser, big: Made) -> None:
    answer, body = await browser.fetch(f"/repo/own/x86_64/{big.file_name}", straight=True)
    inside = answer.headers["X-Accel-Redirect"]
    assert (answer.status, body) == (200, b"")
    assert inside.startswith("/from-quarters/packages/")
    assert (await browser.fetch(inside))[0].status == 404
    assert (await browser.fetch("/from-quarters/quarters.db"))[0].status == 404


async def test_an_index_and_its_signature_come_from_one_snapshot(browser: Browser, big: Made) -> None:
    answer, _ = await browser.fetch("/repo/own/x86_64/own.db")
    assert (answer.status, answer.headers["Cache-Control"]) == (302, "no-store")
    assert answer.headers["Location"] == "../../own@2/x86_64/own.db"
    index, body = await browser.fetch("/repo/own@2/x86_64/own.db")
    assert [it.name for it in Pacman().read_index(body)] == ["big"]
    assert index.headers["Cache-Control"] == "no-cache"
    for path in ("/repo/own@2/x86_64/own.db.sig", f"/repo/own/x86_64/{big.file_name}.sig"):
        signature, body = await browser.fetch(path)
        assert (signature.status, signature.headers["Content-Type"]) == (200, "application/pgp-signature")
        assert 50 < len(body) < 2000


async def test_a_rollback_is_newer_for_clients_than_what_it_undoes(browser: Browser, big: Made) -> None:
    before, _ = await browser.fetch("/repo/own@2/x86_64/own.db")
    stamp = before.headers["Last-Modified"]
    assert (await browser.fetch("/repo/own@2/x86_64/own.db", if_modified_since=stamp))[0].status == 304
    await browser.server.press.publisher.rollback("own", 1, "anna")
    assert (await browser.fetch("/repo/own/x86_64/own.db"))[0].headers[
        "Location"
    ] == "../../own@3/x86_64/own.db"
    after, body = await browser.fetch("/repo/own@3/x86_64/own.db", if_modified_since=stamp)
    assert (after.status, Pacman().read_index(body)) == (200, [])
    assert parsedate_to_datetime(after.headers["Last-Modified"]) > parsedate_to_datetime(stamp)


async def test_errors_and_the_api_pass_through(browser: Browser) -> None:
    answer, _ = await browser.fetch("/repo/own/x86_64/nothing-1-1-any.pkg.tar.zst")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert (await browser.fetch("/health/live"))[0].status == 200


async def test_what_was_asked_for_before_comes_without_the_server(browser: Browser, big: Made) -> None:
    paths = [
        f"/repo/own/x86_64/{big.file_name}",
        *(f"/repo/own@2/x86_64/own.{it}" for it in ("db", "db.sig")),
    ]
    first = [await browser.fetch(path) for path in paths]
    browser.server.stop.set()
    await browser.server.serving
    for path, (answer, body) in zip(paths, first, strict=True):
        again, same = await browser.fetch(path)
        assert (again.status, same) == (200, body)
        for name in ("Cache-Control", "ETag", "Last-Modified", "Accept-Ranges"):
            assert again.headers.getall(name) == answer.headers.getall(name), name
        # nginx goes by names, and `own.db` does not tell how it is compressed.
        told = "application/octet-stream" if path.endswith(".db") else answer.headers["Content-Type"]
        assert again.headers["Content-Type"] == told
        assert (await browser.fetch(path, range="bytes=1-2"))[1] == body[1:3]
    assert (await browser.fetch("/repo/own/x86_64/own.db"))[0].status == 502


async def test_a_name_that_stands_for_other_content_is_seen_at_once(browser: Browser) -> None:
    press = browser.server.press
    for text in ("one", "two"):
        made = package("greet", text=text)
        await press.upload(made)
        for _ in range(2):
            assert (await browser.fetch(f"/repo/own/x86_64/{made.file_name}"))[1] == made.content
        await press.repositories.delete("own", "anna")
        await press.repository("own")


async def test_what_is_forgotten_or_deleted_is_no_longer_sent(browser: Browser, big: Made) -> None:
    press = browser.server.press
    index, file = "/repo/own@2/x86_64/own.db", f"/repo/own/x86_64/{big.file_name}"
    await press.upload(package("big", "1:2.0-1"))
    assert [(await browser.fetch(it))[0].status for it in (index, file)] == [200, 200]
    await press.repositories.change("own", RepositoryChange(keep_versions=1))
    press.clock.at += timedelta(days=1)
    await press.retention.clean("own", dry_run=False, actor="anna")
    assert press.files.path(sha256(big.content).hexdigest()).exists()
    assert [(await browser.fetch(it))[0].status for it in (index, file)] == [404, 404]
    assert (await browser.fetch("/repo/own@3/x86_64/own.db"))[0].status == 200
    await press.repositories.delete("own", "anna")
    assert (await browser.fetch("/repo/own@3/x86_64/own.db"))[0].status == 404
