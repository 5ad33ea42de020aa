"""Publishing with the real tools: pacman with signatures required, a disk that is full, processes that are killed."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from quarters.model.build import State
from quarters.model.errors import NotFound, StorageFull
from quarters.publishing.keys import KeyRing
from quarters.storage.database import Database
from tests.pacman_root import PacmanRoot, needs_pacman
from tests.press import Press, package, recipe


@pytest.fixture
async def press(tmp_path: Path) -> AsyncIterator[Press]:
    database = Database(f"sqlite:///{tmp_path / 'quarters.db'}")
    await database.open()
    press = Press(database, tmp_path / "data")
    await press.repository()
    yield press
    await database.close()


@pytest.fixture
async def server(press: Press) -> AsyncIterator[str]:
    """Serves what the shelf finds, with Last-Modified from the file, as pacman's users would get it."""
    loop = asyncio.get_running_loop()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            repository, arch, file_name = self.path.strip("/").split("/")
            found = asyncio.run_coroutine_threadsafe(
                press.shelf.find(repository, None, arch, file_name), loop
            )
            try:
                file = found.result()
            except NotFound:
                return self.send_error(404)
            since = self.headers.get("If-Modified-Since")
            data = file if isinstance(file, bytes) else file.read_bytes()
            date = 0.0 if isinstance(file, bytes) else file.stat().st_mtime
            if since is not None and parsedate_to_datetime(since).timestamp() >= date:
                self.send_response(304)
                return self.end_headers()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            if date:
                self.send_header("Last-Modified", formatdate(date, usegmt=True))
            self.end_headers()
            self.wfile.write(data)
            return None

        def log_message(self, *_arguments: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    await asyncio.to_thread(httpd.shutdown)
    thread.join()
    httpd.server_close()


@pytest.fixture
def client(press: Press, server: str, short_folder: Path) -> PacmanRoot:
    return PacmanRoot(short_folder, f"{server}/$repo/$arch", press.keys.public(), press.keys.fingerprint)


@needs_pacman
async def test_pacman_that_requires_signatures_installs_what_was_published(
    press: Press, client: PacmanRoot
) -> None:
    await press.published(
        recipe("greet"), package("greet", text="Hello from afar.\n", more="depend = libgreet>=1\n")
    )
    await press.published(recipe("libgreet", version="1:1.0-1"), package("libgreet", "1:1.0-1"))
    code, said = await client.pacman("-Sy", "greet")
    assert (code, client.installed("greet")) == (0, "Hello from afar.\n"), said
    assert client.installed("libgreet") is not None
    assert (await client.pacman("-Fy", "usr/share/greet"))[0] == 0


@needs_pacman
async def test_pacman_takes_the_empty_index_of_a_new_repository(press: Press, client: PacmanRoot) -> None:
    code, said = await client.pacman("-Sy")
    assert code == 0, said
    code, said = await client.pacman("-Sl", "own")
    assert (code, "own " in said) == (0, False)


@needs_pacman
async def test_pacman_follows_updates_and_rollbacks(press: Press, client: PacmanRoot) -> None:
    await press.upload(package("greet", "1.0-1", text="one"))
    await client.pacman("-Sy", "greet")
    await press.upload(package("greet", "2.0-1", text="two"))
    await client.pacman("-Syu")
    assert client.installed("greet") == "two"
    await press.publisher.rollback("own", 2, "anna")
    code, said = await client.pacman("-Syuu")
    assert (code, client.installed("greet")) == (0, "one"), said


@needs_pacman
async def test_pacman_that_does_not_know_the_key_refuses_the_index(
    press: Press, server: str, short_folder: Path
) -> None:
    await press.upload(package("greet"))
    stranger = KeyRing(short_folder / "other").ensure()
    client = PacmanRoot(short_folder, f"{server}/$repo/$arch", stranger.armored, stranger.fingerprint)
    code, _ = await client.pacman("-Sy", "greet")
    assert code == 1
    assert client.installed("greet") is None


@needs_pacman
async def test_pacman_notices_a_package_that_was_changed_on_the_server(
    press: Press, client: PacmanRoot
) -> None:
    made = package("greet")
    await press.upload(made)
    path, _ = await press.shelf.package_file("own", None, "x86_64", made.file_name)
    path.chmod(0o644)
    path.write_bytes(package("greet", text="Evil.\n").content)
    code, said = await client.pacman("-Sy", "greet")
    assert (code, client.installed("greet")) == (1, None), said


@pytest.fixture
def gpg_key(short_folder: Path) -> str:
    """A secret key that gpg made, as gpg exports it."""
    home = short_folder / "maker"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
    making = [*gpg, "--quick-gen-key", "Team <team@example.org>", "rsa3072", "sign", "never"]
    subprocess.run(making, check=True, capture_output=True)
    exporting = [*gpg, "--armor", "--export-secret-keys"]
    return subprocess.run(exporting, check=True, capture_output=True, text=True).stdout


@needs_pacman
async def test_an_imported_gpg_key_signs_for_pacman(
    press: Press, server: str, short_folder: Path, gpg_key: str
) -> None:
    view = press.keys.add("team", gpg_key)
    press.sign_with("team")
    client = PacmanRoot(short_folder, f"{server}/$repo/$arch", view.armored, view.fingerprint)
    await press.upload(package("greet"))
    code, said = await client.pacman("-Sy", "greet")
    assert (code, client.installed("greet")) == (0, "Hello.\n"), said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 16 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """Take all space but `leave` bytes."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave))
    return path


@pytest.mark.parametrize("database_too", [False, True], ids=["files", "files and database"])
async def test_a_full_disk_delays_a_publish_and_nothing_else(
    small_disk: Path, tmp_path: Path, database_too: bool
) -> None:
    database = Database(f"sqlite:///{(small_disk if database_too else tmp_path) / 'quarters.db'}")
    await database.open()
    press = Press(database, small_disk)
    await press.repository()
    await press.published(recipe("old"), package("old"))
    made = package("new")
    build = await press.delivered(recipe("new"), made)
    filler = fill(small_disk)

    await press.deliveries.publish_ready()
    waiting = await press.build(build)
    assert waiting.state is State.PUBLISHING
    if not database_too:
        assert "There is no space left in" in waiting.message
        assert waiting.not_before == press.clock.at + timedelta(seconds=press.settings.retry_after)
    assert await press.listed() == {"old": "1.0-1"}
    assert press.incoming.path(build, 1, made.file_name).read_bytes() == made.content
    assert not list(small_disk.rglob(".new-*"))

    filler.unlink()
    press.clock.at += timedelta(seconds=press.settings.retry_after)
    await press.deliveries.publish_ready()
    assert (await press.build(build)).state is State.SUCCEEDED
    assert (await press.build(build)).message == ""
    assert await press.listed() == {"old": "1.0-1", "new": "1.0-1"}
    await database.close()


async def test_an_upload_to_a_full_disk_is_told_so(small_disk: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'quarters.db'}")
    await database.open()
    press = Press(database, small_disk)
    await press.repository()
    made = package("new")
    path = tmp_path / "upload"
    path.write_bytes(made.content)
    fill(small_disk)
    with pytest.raises(StorageFull, match="There is no space left in"):
        await press.publisher.upload("own", made.file_name, path, "anna")
    assert await press.listed() == {}
    await database.close()


def test_a_publish_killed_at_any_step_leaves_the_old_or_the_new_index(tmp_path: Path, project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.publish_and_die", str(tmp_path)],
        cwd=project, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(reports) > 20
    old, new = ["old"], ["large", "new", "old"]
    for report in reports:
        assert (report["left"], report["state"]) in [(old, "publishing"), (new, "succeeded")]
        assert (report["then"], report["ended"]) == (new, "succeeded")
        assert report["unfinished"] == []
        assert report["snapshots"] == [3, 2, 1]
    assert {tuple(report["left"]) for report in reports} == {tuple(old), tuple(new)}
