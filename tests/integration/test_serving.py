"""The files of repositories as clients fetch them: ranges, conditions, old snapshots, and the real pacman."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from email.utils import parsedate_to_datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import pytest
from yarl import URL

from quarters.formats.pacman import Pacman
from tests.press import Made, package
from tests.serving import Running

needs_pacman = pytest.mark.skipif(
    os.geteuid() != 0 or any(shutil.which(tool) is None for tool in ("pacman", "gpg", "bsdtar")),
    reason="installing packages needs pacman, gpg and root",
)


def run_gpg(home: str, *arguments: str, text: str = "") -> None:
    command = ["gpg", "--homedir", home, "--batch", *arguments]
    subprocess.run(command, input=text, text=True, check=True, capture_output=True)


class Browser:
    """Fetches addresses exactly as they are given."""

    def __init__(self, session: aiohttp.ClientSession, server: Running) -> None:
        self._session = session
        self._server = server

    async def fetch(
        self, path: str, method: str = "GET", *, follow: bool = False, **headers: str
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """The answer and its body; `if_range="x"` sends `if-range: x`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(f"{self._server.url}/repo/{path}", encoded=True)
        async with self._session.request(method, url, headers=sent, allow_redirects=follow) as answer:
            return answer, await answer.read()


@pytest.fixture
async def browser(server: Running) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield Browser(session, server)


@pytest.fixture
async def greet(server: Running) -> Made:
    """A small package that is published."""
    made = package("greet", "1:1.0+r3-1")
    await server.press.upload(made)
    return made


def big() -> Made:
    """A package of some three megabytes that do not compress."""
    noise = "".join(sha256(str(number).encode()).hexdigest() for number in range(90_000))
    return package("big", text=noise)


async def test_a_package_is_served_whole_under_both_spellings_of_its_epoch(
    browser: Browser, greet: Made
) -> None:
    for name in (greet.file_name, greet.file_name.replace(":", "%3A"), greet.file_name.replace("+", "%2B")):
        answer, body = await browser.fetch(f"own/x86_64/{name}")
        assert (answer.status, body) == (200, greet.content)
        assert answer.headers["Content-Length"] == str(len(greet.content))
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert "immutable" in answer.headers["Cache-Control"]
        assert "Content-Encoding" not in answer.headers


async def test_a_head_request_tells_all_and_sends_nothing(browser: Browser, greet: Made) -> None:
    answer, body = await browser.fetch(f"own/x86_64/{greet.file_name}", "HEAD")
    assert (answer.status, body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(greet.content))


@pytest.mark.parametrize("spec", ["0-0", "5-", "7-19", "-3", "0-999999999"])
async def test_a_range_brings_just_those_bytes(browser: Browser, greet: Made, spec: str) -> None:
    answer, body = await browser.fetch(f"own/x86_64/{greet.file_name}", range=f"bytes={spec}")
    size = len(greet.content)
    begin, _, end = spec.partition("-")
    first = int(begin) if begin else size - int(end)
    last = min(int(end), size - 1) if begin and end else size - 1
    assert (answer.status, body) == (206, greet.content[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    assert answer.headers["Content-Length"] == str(last - first + 1)


async def test_a_range_beyond_the_end_is_refused_with_the_size(browser: Browser, greet: Made) -> None:
    size = len(greet.content)
    answer, _ = await browser.fetch(f"own/x86_64/{greet.file_name}", range=f"bytes={size}-")
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{size}")


async def test_what_is_no_single_range_brings_the_whole_file(browser: Browser, greet: Made) -> None:
    for spec in ("bytes=0-1,3-4", "bytes=9-3", "lines=1-2", "bytes=x-", "bytes=-", "nonsense"):
        answer, body = await browser.fetch(f"own/x86_64/{greet.file_name}", range=spec)
        assert (answer.status, body) == (200, greet.content)


async def test_a_range_of_another_version_brings_the_whole_file(browser: Browser, greet: Made) -> None:
    path = f"own/x86_64/{greet.file_name}"
    answer, _ = await browser.fetch(path, "HEAD")
    for same in (answer.headers["ETag"], answer.headers["Last-Modified"]):
        assert (await browser.fetch(path, range="bytes=5-", if_range=same))[0].status == 206
    for other in ('"other"', "Thu, 01 Jan 1970 00:00:00 GMT"):
        assert (await browser.fetch(path, range="bytes=5-", if_range=other))[0].status == 200


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("own.db", "application/gzip"),
        ("own.files.tar.gz", "application/gzip"),
        ("own.db.sig", "application/pgp-signature"),
        ("greet-1:1.0+r3-1-x86_64.pkg.tar.gz", "application/gzip"),
        ("greet-1:1.0+r3-1-x86_64.pkg.tar.gz.sig", "application/pgp-signature"),
    ],
)
async def test_every_kind_of_file_has_its_type_and_honours_ranges_and_conditions(
    browser: Browser, greet: Made, name: str, media_type: str
) -> None:
    path = f"own@2/x86_64/{name}"
    whole, content = await browser.fetch(path)
    assert (whole.status, whole.headers["Content-Type"]) == (200, media_type)
    tag, stamp = whole.headers["ETag"], whole.headers.get("Last-Modified")
    for method in ("GET", "HEAD"):
        part, body = await browser.fetch(path, method, range="bytes=2-9", if_range=tag)
        assert (part.status, part.headers["Content-Range"]) == (206, f"bytes 2-9/{len(content)}")
        assert body == (content[2:10] if method == "GET" else b"")
        conditions = [{"if_none_match": tag}, {"if_none_match": f'"x", {tag}'}]
        for condition in [*conditions, *([{"if_modified_since": stamp}] if stamp else [])]:
            same, body = await browser.fetch(path, method, follow=False, **condition)
            assert (same.status, body, same.headers["ETag"]) == (304, b"", tag)
    # A weak comparison does not do for a part of a file (RFC 9110, section 13.1.5).
    assert (await browser.fetch(path, range="bytes=2-9", if_range=f"W/{tag}"))[0].status == 200


async def test_a_large_package_arrives_whole_and_resumes_anywhere(server: Running, browser: Browser) -> None:
    made = big()
    await server.press.upload(made)
    path = f"own/x86_64/{made.file_name}"
    assert (await browser.fetch(path))[1] == made.content
    answer, body = await browser.fetch(path, range="bytes=1048577-")
    assert (answer.status, body) == (206, made.content[1_048_577:])


async def test_a_client_that_hangs_up_within_a_large_file_does_no_harm(
    server: Running, browser: Browser
) -> None:
    made = big()
    await server.press.upload(made)
    reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
    writer.write(f"GET /repo/own/x86_64/{made.file_name} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    assert (await reader.read(100)).startswith(b"HTTP/1.1 200")
    writer.transport.abort()
    assert (await browser.fetch(f"own/x86_64/{made.file_name}"))[1] == made.content


async def test_the_index_and_its_signature_come_from_one_snapshot(
    server: Running, browser: Browser, greet: Made
) -> None:
    for name in ("own.db", "own.db.sig", "own.files", "own.db.tar.gz"):
        answer, _ = await browser.fetch(f"own/x86_64/{name}")
        assert (answer.status, answer.headers["Location"]) == (302, f"../../own@2/x86_64/{name}")
        assert answer.headers["Cache-Control"] == "no-store"
        assert (await browser.fetch(f"own/x86_64/{name}", follow=True))[0].status == 200
    _, body = await browser.fetch("own/x86_64/own.db", follow=True)
    assert [it.name for it in Pacman().read_index(body)] == ["greet"]


async def test_an_index_is_sent_only_if_it_is_newer(server: Running, browser: Browser, greet: Made) -> None:
    answer, _ = await browser.fetch("own/x86_64/own.db", follow=True)
    stamp = answer.headers["Last-Modified"]
    same, body = await browser.fetch("own/x86_64/own.db", follow=True, if_modified_since=stamp)
    assert (same.status, body) == (304, b"")
    assert (await browser.fetch("own@2/x86_64/own.db", if_none_match=answer.headers["ETag"]))[0].status == 304
    assert (await browser.fetch("own@2/x86_64/own.db", if_none_match='"x"'))[0].status == 200
    await server.press.publisher.rollback("own", 1, "anna")
    newer, body = await browser.fetch("own/x86_64/own.db", follow=True, if_modified_since=stamp)
    assert (newer.status, Pacman().read_index(body)) == (200, [])
    assert parsedate_to_datetime(newer.headers["Last-Modified"]) > parsedate_to_datetime(stamp)


async def test_any_snapshot_can_be_fetched_again(server: Running, browser: Browser, greet: Made) -> None:
    await server.press.publisher.remove("own", "x86_64", "greet", "anna")
    _, old = await browser.fetch("own@2/x86_64/own.db")
    assert [it.name for it in Pacman().read_index(old)] == ["greet"]
    assert (await browser.fetch(f"own@2/x86_64/{greet.file_name}"))[1] == greet.content
    assert (await browser.fetch(f"own@3/x86_64/{greet.file_name}"))[0].status == 404
    # Whoever has the old index still gets what it names.
    assert (await browser.fetch(f"own/x86_64/{greet.file_name}"))[1] == greet.content


async def test_a_package_has_its_signature_beside_it(
    server: Running, browser: Browser, greet: Made, tmp_path: Path
) -> None:
    answer, signature = await browser.fetch(f"own/x86_64/{greet.file_name}.sig")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/pgp-signature"
    with TemporaryDirectory(prefix="q-") as home:
        (tmp_path / "it").write_bytes(greet.content)
        (tmp_path / "it.sig").write_bytes(signature)
        run_gpg(home, "--import", text=server.press.keys.public())
        run_gpg(home, "--verify", str(tmp_path / "it.sig"), str(tmp_path / "it"))


async def test_a_snapshot_is_served_under_a_pin_a_date_and_a_time(
    server: Running, browser: Browser, greet: Made
) -> None:
    await server.press.history.pin("own", "release-1", 2, "anna")
    await server.press.publisher.remove("own", "x86_64", "greet", "anna")
    for which, number in (("release-1", 2), ("2026-11-21", 3), ("2026-11-21T12:00:01Z", 3)):
        for file in ("own.db", "own.db.sig"):
            answer, _ = await browser.fetch(f"own@{which}/x86_64/{file}")
            assert (answer.status, answer.headers["Location"]) == (302, f"../../own@{number}/x86_64/{file}")
    assert (await browser.fetch(f"own@release-1/x86_64/{greet.file_name}", follow=True))[1] == greet.content
    assert (await browser.fetch("own@2026-11-20/x86_64/own.db"))[0].status == 404
    await server.press.history.unpin("own", "release-1", "anna")
    assert (await browser.fetch("own@release-1/x86_64/own.db"))[0].status == 404


@pytest.mark.parametrize(
    "path",
    [
        "own/x86_64/nothing-1-1-x86_64.pkg.tar.zst",
        "own/x86_64/nothing-1-1-x86_64.pkg.tar.zst.sig",
        "own/aarch64/own.db",
        "other/x86_64/other.db",
        "own@99/x86_64/own.db",
        "own@x/x86_64/own.db",
        "own@2026-13-01/x86_64/own.db",
        "own/x86_64/",
        "own/x86_64",
        "own/x86_64/..%2f..%2f..%2fkeys%2fquarters.asc",
        "own/..%2f/keys",
        "own/x86_64/.new-x",
        "../api/v1/tokens",
        "own//own.db",
    ],
)
async def test_what_is_not_there_is_not_found(browser: Browser, path: str) -> None:
    answer, body = await browser.fetch(path)
    assert answer.status == 404
    assert b"/tmp" not in body


@pytest.fixture
def folder() -> Iterator[Path]:
    """gpg's sockets must have short paths."""
    with TemporaryDirectory(prefix="q-") as name:
        yield Path(name)


class Machine:
    """A scratch root whose pacman takes nothing unsigned."""

    def __init__(self, folder: Path, server: Running) -> None:
        self.root = folder / "root"
        gpg = folder / "gnupg"
        gpg.mkdir(mode=0o700)
        for name in ("root/var/lib/pacman", "root/var/cache/pacman/pkg", "hooks"):
            (folder / name).mkdir(parents=True)
        self._config = folder / "pacman.conf"
        self._config.write_text(
            f"[options]\nArchitecture = x86_64\nSigLevel = Required DatabaseRequired\nParallelDownloads = 5\n"
            f"RootDir = {self.root}\nDBPath = {self.root}/var/lib/pacman\n"
            f"CacheDir = {self.root}/var/cache/pacman/pkg\nGPGDir = {gpg}\nHookDir = {folder}/hooks\n"
            f"LogFile = {folder}/log\n[own]\nServer = {server.url}/repo/$repo/$arch\n"
        )
        run_gpg(str(gpg), "--import", text=server.press.keys.public())
        run_gpg(str(gpg), "--import-ownertrust", text=f"{server.press.keys.fingerprint}:6:\n")

    async def pacman(self, *arguments: str) -> str:
        """Run it, successfully, and return what it said."""
        process = await asyncio.create_subprocess_exec(
            "pacman", "--config", str(self._config), "--noconfirm", "--noprogressbar", *arguments,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
        said = (await process.communicate())[0].decode()
        assert process.returncode == 0, said
        return said

    def file(self, name: str) -> str:
        """What a package brought."""
        return (self.root / "usr" / "share" / name).read_text()


@needs_pacman
async def test_pacman_installs_updates_and_follows_a_rollback(
    server: Running, folder: Path, greet: Made
) -> None:
    machine = Machine(folder, server)
    await server.press.upload(package("chorus", text="all", more="depend = greet>=1:1\n"))
    await machine.pacman("-Sy", "chorus")
    assert (machine.file("chorus"), machine.file("greet")) == ("all", "Hello.\n")
    assert (await machine.pacman("-Sy", "--debug")).count("response code 304") == 2  # index and signature
    await server.press.upload(package("greet", "1:2.0-1", text="Hello again.\n"))
    await machine.pacman("-Syu")
    assert machine.file("greet") == "Hello again.\n"
    await server.press.publisher.rollback("own", 3, "anna")
    await machine.pacman("-Syuu")
    assert machine.file("greet") == "Hello.\n"
    await machine.pacman("-Fy", "usr/share/chorus")


@needs_pacman
async def test_pacman_goes_on_with_a_download_that_broke(server: Running, folder: Path) -> None:
    made = big()
    await server.press.upload(made)
    machine = Machine(folder, server)
    part = machine.root / "var/cache/pacman/pkg" / f"{made.file_name}.part"
    part.write_bytes(made.content[:1_500_000])
    await machine.pacman("-Sy", "big")
    assert (part.parent / made.file_name).read_bytes() == made.content
