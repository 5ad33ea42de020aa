"""Exports by the real rsync to a real daemon and to a shell's other end."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quarters.formats.pacman import Pacman
from tests.person import Person
from tests.press import package
from tests.serving import Running

pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="needs rsync")


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a module that is `tmp_path / "public"`."""
    public = tmp_path / "public"
    public.mkdir()
    user = "uid = root\ngid = root\n" if os.geteuid() == 0 else ""
    config = tmp_path / "rsyncd.conf"
    config.write_text(
        f"use chroot = no\nmunge symlinks = no\nlog file = {tmp_path}/rsyncd.log\n{user}"
        f"[public]\npath = {public}\nread only = no\n[closed]\npath = {public}\nread only = yes\n"
    )
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    serving = asyncio.create_task(_serve(listening, config))
    yield f"rsync://127.0.0.1:{listening.getsockname()[1]}"
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    listening.close()


async def _serve(listening: socket.socket, config: Path) -> None:
    """A daemon for each connection, as inetd does it: so no port has to be found beforehand."""
    loop = asyncio.get_running_loop()
    processes: list[asyncio.subprocess.Process] = []
    try:
        while True:
            connection, _ = await loop.sock_accept(listening)
            with connection:
                connection.setblocking(True)
                command = ("rsync", "--daemon", f"--config={config}")
                end = connection.fileno()
                process = asyncio.create_subprocess_exec(*command, stdin=end, stdout=end)
                processes.append(await process)
    finally:
        for ended in processes:
            await ended.wait()


def listed(target: Path) -> dict[str, str]:
    return {it.name: it.version for it in Pacman().read_index((target / "x86_64/own.db").read_bytes())}


async def test_an_export_to_a_daemon_sends_what_changed_and_removes_what_had_its_time(
    server: Running, daemon: str, tmp_path: Path
) -> None:
    person, target, place = Person(server), tmp_path / "public" / "own", f"{daemon}/public/own"
    await server.press.upload(package("greet", "1:1.0~rc1-1"))
    await server.press.upload(package("other"))
    assert (await person.json("export", "own", place))["sent"] == 2
    assert listed(target) == {"greet": "1:1.0~rc1-1", "other": "1.0-1"}
    kept = (target / "x86_64" / package("other").file_name).stat()
    (target / "mine.txt").write_text("Mine.\n")
    await server.press.upload(package("greet", "1:2-1"))
    seen = []
    for version in ("1-1", "2-1", "3-1"):
        await server.press.upload(package("more", version))
        done = await person.json("export", "own", place, "--delete")
        seen.append((done["sent"], done["removed"]))
    assert seen == [(2, 1), (1, 1), (1, 1)]
    assert "already" in await person.run("export", "own", place)
    there = {it.name for it in (target / "x86_64").iterdir() if ".pkg." in it.name}
    assert len(there) == 2 * 3
    assert (target / "x86_64" / package("other").file_name).stat() == kept
    assert (target / "mine.txt").exists()
    for name in ("own.db", "own.files", "own.db.sig"):
        index = await server.press.shelf.index_file("own", None, "x86_64", name)
        assert (target / "x86_64" / name).read_bytes() == index.read_bytes()
    assert len(list((target / "indexes").iterdir())) == 2


async def test_an_export_through_a_shell(
    server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = tmp_path / "shell"
    shell.write_text('#!/bin/sh\nshift\nexec "$@"\n')
    shell.chmod(0o755)
    monkeypatch.setenv("RSYNC_RSH", str(shell))
    person, target = Person(server), tmp_path / "own"
    await server.press.upload(package("greet"))
    assert (await person.json("export", "own", f"somewhere:{target}"))["sent"] == 1
    assert listed(target) == {"greet": "1.0-1"}


async def test_what_rsync_cannot_do_is_said_in_one_sentence(
    server: Running, daemon: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(server)
    (tmp_path / "public" / "thesis.txt").write_text("Years of work.\n")
    for place, sentence in (
        (f"{daemon}/public", "holds files and no export.json"),
        (f"{daemon}/closed/own", "rsync cannot write to"),
        (f"{daemon}/nowhere", "rsync cannot write to"),
        ("rsync://127.0.0.1:1/public", "rsync cannot write to"),
    ):
        said = await person.run("export", "own", place, "--delete", code=1)
        assert sentence in said
        assert said.count("\n") == 1
    assert [it.name for it in (tmp_path / "public").iterdir()] == ["thesis.txt"]
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    said = await Person(server).run("export", "own", f"{daemon}/public", code=1)
    assert "rsync cannot be found on this machine; install it." in said
