"""`quarters builder check`: what a machine lacks is found before a build finds it."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from quarters.builder import examination
from quarters.builder.engine.settings import ContainerSettings
from quarters.builder.findings import Finding, Verdict
from quarters.builder.root.settings import RootSettings
from quarters.builder.settings import BuilderSettings
from quarters.config import Config
from quarters.model.size import Size
from quarters.model.token import Scope
from quarters.protocol.resources import NewToken
from quarters.wiring.builder import Asked, examine
from tests.serving import Running

needs_sandbox = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("bwrap", "makepkg", "pacman"))),
    reason="the sandbox needs root, bubblewrap and pacman",
)


async def token(server: Running, name: str = "one", scope: Scope = Scope.BUILDER) -> str:
    return (await server.admin.tokens.create(NewToken(name=name, scope=scope))).secret


async def found(
    place: Path, server: str, *, more: dict[str, Any] | None = None, **builder: Any
) -> dict[str, Finding]:
    """What is found, by name."""
    settings = BuilderSettings(**{"name": "one", "server": server, "data": place, **builder})
    return {it.name: it for it in await examine(Config(builder=settings, **(more or {})))}


def checked(command: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


@needs_sandbox
async def test_a_machine_with_all_that_it_needs_can_build(tmp_path: Path, server: Running) -> None:
    environ = {**os.environ, "QUARTERS_TOKEN": await token(server)}
    command = [
        sys.executable,
        "-m",
        "quarters.cli",
        "builder",
        "check",
        "--server",
        server.url,
        "--name",
        "one",
    ]
    command += ["--data", str(tmp_path / "data")]
    done = await asyncio.to_thread(checked, command, environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout
    for name in (
        "tools",
        "namespaces",
        "control groups",
        "root",
        "memory",
        "disk",
        "executor",
        "server",
        "token",
        "clock",
    ):
        assert f"  {name} " in done.stdout
    machine = await asyncio.to_thread(
        checked, ["two" if it == "one" else it for it in command] + ["--json"], environ
    )
    assert machine.returncode == 1
    said = json.loads(machine.stdout)
    assert not said["can_build"]
    (bad,) = (it for it in said["findings"] if it["verdict"] == "bad")
    assert bad["says"] == "It belongs to one, and this builder is two."
    assert "quarters token create two --scope builder" in bad["mend"]


async def test_the_token_has_to_be_a_builders_and_good(tmp_path: Path, server: Running) -> None:
    for given, expected in (
        ("", "There is no token."),
        ("qt_wrong", "The server does not take it"),
        (await token(server, scope=Scope.PUBLISH), "Its scope is publish, and a builder's is builder."),
    ):
        bad = (await found(tmp_path, server.url, token=given))["token"]
        assert bad.verdict is Verdict.BAD
        assert bad.says.startswith(expected)


async def test_a_server_that_is_not_there_is_told_and_nothing_more_asked_of_it(tmp_path: Path) -> None:
    here = await found(tmp_path, "http://127.0.0.1:9", token="qt_x")
    assert here["server"].verdict is Verdict.BAD
    assert "http://127.0.0.1:9" in here["server"].says
    assert "token" not in here


async def test_a_clock_that_goes_wrong_is_doubted(tmp_path: Path, server: Running) -> None:
    settings = BuilderSettings(name="one", server=server.url, token=await token(server), data=tmp_path)
    late = await examination.server(
        settings, Asked(server.admin), lambda: datetime.now(UTC) - timedelta(hours=1)
    )
    (clock,) = (it for it in late if it.name == "clock")
    assert clock.verdict is Verdict.DOUBTFUL
    assert "behind the server" in clock.says


@needs_sandbox
@pytest.mark.parametrize(
    ("builder", "name", "says"),
    [
        ({"root": "/no/such/root"}, "root", "is not a root with makepkg"),
        ({"root": "image"}, "root", "/no/such/image.tar cannot be read"),
        ({"root": "pacstrap"}, "root", "/no/such/keys.asc cannot be read"),
        ({"memory": Size(100 << 20)}, "memory", "Only 100 MiB for 1 at a time."),
        ({"executor": "sandbx"}, "executor", "Did you mean sandbox?"),
        ({"executor": "container"}, "executor", "cannot be reached"),
        ({"data": Path("/proc/self/data")}, "data", "cannot be written"),
    ],
)
async def test_what_is_missing_is_named(
    tmp_path: Path, builder: dict[str, Any], name: str, says: str
) -> None:
    more = {
        "root": RootSettings(image="/no/such/image.tar", keyring=Path("/no/such/keys.asc")),
        "container": ContainerSettings(engine="unix:///no/such/socket", network="host"),
    }
    here = await found(tmp_path, "http://127.0.0.1:9", more=more, **builder)
    assert here[name].verdict is Verdict.BAD, here[name]
    assert says in here[name].says
    assert here[name].mend


@needs_sandbox
async def test_a_root_that_is_made_at_the_start_is_good(tmp_path: Path) -> None:
    image = tmp_path / "image.tar"
    image.touch()
    here = await found(
        tmp_path, "http://127.0.0.1:9", root="image", more={"root": RootSettings(image=str(image))}
    )
    assert here["root"].verdict is Verdict.GOOD
    assert "made when the builder starts" in here["root"].says
