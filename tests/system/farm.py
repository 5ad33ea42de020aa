"""Real processes: a server and builders that a test starts, kills and starts again, and what they say."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from quarters.model.build import Build
from quarters.model.event import Happening
from quarters.model.token import Scope
from quarters.protocol.client import Client
from quarters.protocol.resources import BuildFilter, NewRepository, NewSource, NewToken
from quarters.protocol.streams import LogEnd
from tests.inhabitants import inhabitants

QUARTERS = (sys.executable, "-m", "quarters.cli")
REPOSITORY = "own"
PATIENCE = 90.0
"""Seconds after which a test no longer believes that what it waits for will come."""
RECIPE = """pkgname={name}
pkgver={version}
pkgrel=1
pkgdesc='A test'
arch=('any')
depends=({depends})
{functions}
package() {{
  install -d "$pkgdir/usr/share/{name}"
}}
"""
SRCINFO = """pkgbase = {name}
\tpkgdesc = A test
\tpkgver = {version}
\tpkgrel = 1
\tarch = any
{depends}
pkgname = {name}
"""


@dataclass
class Farm:
    """Everything that a test runs, in one folder; `settings` are variables that every process gets."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def serving(self) -> subprocess.Popen[str]:
        """The server that was started last."""
        return next(process for process in reversed(self.processes) if process.stdout is not None)

    @property
    def data(self) -> Path:
        """The server's folder."""
        return self.folder / "data"

    @property
    def environ(self) -> dict[str, str]:
        """That of a user who keeps everything in the folder."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("QUARTERS_")}
        own = {"XDG_CONFIG_HOME": str(self.folder / "home"), "QUARTERS_STORAGE__DATA": str(self.data)}
        # Sources of tests are served by this machine itself.
        own["QUARTERS_BUILDER__NETWORK_ISOLATION"] = "off"
        return kept | own | dict(self.settings)

    def server(self, command: str = "server", *options: str) -> subprocess.Popen[str]:
        """Start a server, always at the same address, and return once it listens."""
        port = self.url.rpartition(":")[2] or "0"
        process = self._start(command, [command, "--port", port, *options], subprocess.PIPE)
        said = ""
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if found := re.match(r"Quarters (?:is up +|listens at )(http://[^\s;]+)", line):
                self.url = found[1]
                return process
        pytest.fail(f"{said}{self.said(command)}")

    async def builder(self, name: str, url: str = "") -> subprocess.Popen[str]:
        """Start a builder with a token of its own, which is made when it is started for the first time."""
        token = self.folder / f"{name}.token"
        if not token.exists():
            async with self.client() as client:
                made = await client.tokens.create(NewToken(name=name, scope=Scope.BUILDER))
            token.write_text(made.secret)
        options = ["--server", url or self.url, "--name", name, "--data", str(self.builder_data(name))]
        return self._start(name, ["builder", *options, "--token-file", str(token)], subprocess.DEVNULL)

    def builder_data(self, name: str) -> Path:
        """The folder of the builder `name`."""
        return self.folder / f"builder-{name}"

    def client(self) -> Client:
        """A client with the rights of the administrator; the caller closes it."""
        return Client(self.url, json.loads((self.data / "client.json").read_text())["token"])

    def run(self, *arguments: str, code: int = 0) -> str:
        """What a command prints, which must end with `code`."""
        done = subprocess.run(
            [*QUARTERS, *arguments], capture_output=True, text=True, check=False, env=self.environ,
            cwd=self.folder, timeout=180,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def json(self, *arguments: str, code: int = 0) -> Any:
        """What a command prints for machines."""
        return json.loads(self.run(*arguments, "--json", code=code))

    def said(self, name: str) -> str:
        """What a process wrote into its log, over all its lives."""
        return (self.folder / f"{name}.log").read_text()

    def close(self) -> None:
        """End everything that still runs."""
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            process.communicate(timeout=30)

    def _start(self, name: str, arguments: list[str], stdout: int) -> subprocess.Popen[str]:
        with (self.folder / f"{name}.log").open("a") as log:
            process = subprocess.Popen(
                [*QUARTERS, *arguments],
                stdout=stdout,
                stderr=log,
                text=True,
                env=self.environ,
                cwd=self.folder,
            )
        self.processes.append(process)
        return process


@contextlib.contextmanager
def farm_in(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Farm]:
    """A farm without processes; in the end nothing of it may live, or be mounted on the machine."""
    farm = Farm(folder, dict(settings or {}))
    try:
        yield farm
    finally:
        farm.close()
        for log in folder.glob("*.log"):
            print(log.name, log.read_text(), sep="\n")
    assert inhabitants(folder) == []
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()


@contextlib.asynccontextmanager
async def opened(farm: Farm, tree: Path | None = None) -> AsyncIterator[Client]:
    """Start the server with an empty repository, and a source where there is a `tree`; yields its administrator."""
    farm.server()
    async with farm.client() as client:
        await client.repositories.create(NewRepository(name=REPOSITORY))
        if tree is not None:
            await client.sources.create(NewSource(name="tree", location=str(tree), repository=REPOSITORY))
        yield client


def recipe(tree: Path, name: str, functions: str = "", depends: str = "", version: str = "1") -> None:
    """Write a recipe, with its metadata."""
    (tree / name).mkdir(parents=True, exist_ok=True)
    quoted = f"'{depends}'" if depends else ""
    text = RECIPE.format(name=name, version=version, depends=quoted, functions=functions)
    (tree / name / "PKGBUILD").write_text(text)
    line = f"\tdepends = {depends}\n" if depends else ""
    (tree / name / ".SRCINFO").write_text(SRCINFO.format(name=name, version=version, depends=line))


def commit(tree: Path, author: str = "Ada") -> None:
    """Commit all that is in the tree."""
    person = ["-c", f"user.name={author}", "-c", f"user.email={author.lower()}@greet.example"]
    for command in (["init", "-q"], ["add", "."], [*person, "commit", "-qm", "recipes"]):
        subprocess.run(["git", "-C", tree, *command], check=True)


async def happened(client: Client, kind: str, after: int = 0, **data: str) -> Happening:
    """The first event of that kind after the event `after` whose data say so, as soon as it happens."""
    async with asyncio.timeout(PATIENCE):
        async for event in client.events.follow(after):
            if event.kind == kind and data.items() <= event.data.items():
                return event
    raise AssertionError("the stream of events has ended")


async def logged(client: Client, build: int, words: str, attempt: int) -> None:
    """Return once the log of an attempt holds the line `words`."""
    async with asyncio.timeout(PATIENCE):
        async for piece in client.builds.follow_log(build, attempt=attempt):
            assert not isinstance(piece, LogEnd), f"the build ended as {piece.state} without {words!r}"
            if words in piece.text.splitlines():
                return


async def all_builds(client: Client) -> dict[str, Build]:
    """The newest build of each pkgbase."""
    page = await client.builds.list(BuildFilter(), limit=200)
    assert page.cursor is None
    return {build.pkgbase: build for build in reversed(page.items)}


def killed(process: subprocess.Popen[str]) -> None:
    """End a process as a power cut would."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


def handles(data: Path) -> list[int]:
    """Open a handle on every process in the sandboxes below `data`, of which there are some."""
    inside = [os.pidfd_open(pid) for pid in inhabitants(data)]
    assert len(inside) >= 3
    return inside


async def ended(handles: list[int]) -> None:
    """Return once all these processes have ended."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE):
        for handle in handles:
            over = asyncio.Event()
            loop.add_reader(handle, over.set)
            try:
                await over.wait()
            finally:
                loop.remove_reader(handle)
                os.close(handle)
