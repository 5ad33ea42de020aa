"""While a recipe has the network it reaches the world, and of this machine only what the configuration names."""

import asyncio
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from quarters.builder import relay
from quarters.builder.failure import BuilderUnusable
from quarters.builder.local import Place, own_addresses
from quarters.builder.network import Networks, lack
from quarters.builder.settings import NetworkIsolation
from quarters.model.build import Outcome
from tests.inhabitants import inhabitants
from tests.integration.library import Signer, Web, own, published
from tests.integration.library import signer as signer
from tests.integration.library import web as web
from tests.integration.recorder import built, pkgbuild

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or bool(lack()) or not all(map(shutil.which, ("bwrap", "makepkg", "pacman"))),
    reason="networks of their own need root, slirp4netns and /dev/net/tun",
)
ON = {"network_isolation": NetworkIsolation.ON}
PROBES = """
for place in {places}; do
  (exec 3<>/dev/tcp/${{place/:/\\/}}) 2>/dev/null && echo "BREACH $place" || :
done
perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0);
  connect(S, pack("Sa*", AF_UNIX, "\\0{abstract}")) and print "BREACH socket\\n"'
echo "asked as $(id -u), $(ls /proc/sys/net/ipv4/conf | tr '\\n' ' ')"
"""


@pytest.fixture
def probes() -> Iterator[str]:
    """Code that tries to reach services of this machine, and says BREACH if it does."""
    with ExitStack() as stack:
        everywhere = stack.enter_context(socket.create_server(("0.0.0.0", 0)))
        loopback = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        name = f"quarters-test-{os.getpid()}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        port, own = everywhere.getsockname()[1], asyncio.run(own_addresses())
        hosts = ("127.0.0.1", "127.9.9.9", "localhost", "0.0.0.0", "100.127.255.2", "100.127.255.3", *own)
        places = [f"{host}:{port}" for host in hosts] + [f"127.0.0.1:{loopback.getsockname()[1]}"]
        yield PROBES.format(places=" ".join((*places, "169.254.169.254:80")), abstract=name)


def test_a_recipe_reaches_no_service_of_the_machine_but_those_that_are_named(
    tmp_path: Path, probes: str, web: Web
) -> None:
    (web.folder / "thing.txt").write_text("fetched\n")
    head = f"source=({web.url}/thing.txt)\nsha256sums=(SKIP)\n{probes}"
    files = pkgbuild("build() { cat thing.txt; }", head=head)
    files[".quarters/prepare"] = probes
    named = ON | {"allow_local": (web.url.removeprefix("http://"),)}
    finish, server = asyncio.run(built(tmp_path / "a", files, remote_sources=True, builder=named))
    log = server.log(1)
    assert finish.outcome is Outcome.BUILT, log
    assert "BREACH" not in log
    assert "\nfetched\n" in log
    assert "asked as 0, all default lo tap0" in log
    assert "asked as 1000, all default lo tap0" in log
    assert inhabitants(tmp_path) == []


def test_the_same_probes_reach_everything_where_networks_are_shared(
    tmp_path: Path, probes: str, web: Web
) -> None:
    (web.folder / "thing.txt").write_text("fetched\n")
    head = f"source=({web.url}/thing.txt)\nsha256sums=(SKIP)\n{probes}"
    finish, server = asyncio.run(built(tmp_path / "a", pkgbuild(head=head), remote_sources=True))
    log = server.log(1)
    assert finish.outcome is Outcome.BUILT, log
    for place in ("127.0.0.1:", "localhost:", "socket", *asyncio.run(own_addresses())):
        assert f"BREACH {place}" in log


def test_a_hook_installs_from_a_server_on_the_same_machine(tmp_path: Path, web: Web, signer: Signer) -> None:
    asyncio.run(published(tmp_path, web, signer))
    files = pkgbuild() | {".quarters/prepare": "pacman -Sy --noconfirm lib\n"}
    finish, server = asyncio.run(
        built(tmp_path / "a", files, repositories=own(signer.public), builder=ON | {"server": web.url})
    )
    assert finish.outcome is Outcome.BUILT, server.log(1)


def test_what_is_no_address_is_refused(tmp_path: Path) -> None:
    for bad in ("localhost:80", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:http", ""):
        with pytest.raises(BuilderUnusable, match="allow_local"):
            Networks(NetworkIsolation.ON, (bad,), "")


async def test_a_connection_is_carried_both_ways_and_ends_with_its_network(tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    place = Place(*server.sockets[0].getsockname())
    listening = socket.create_server(("127.0.0.1", 0))
    async with relay.between(listening, place):
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"x" * 3_000_000)
        writer.write_eof()
        assert await reader.read() == b"X" * 3_000_000
        idle, other = await asyncio.open_connection(*listening.getsockname())
    assert await idle.read() == b""
    for it in (writer, other, server):
        it.close()
