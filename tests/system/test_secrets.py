"""What a build can see of the credentials around it: nothing."""

import asyncio
import contextlib
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from tests.inhabitants import WAITING, inhabitants, let_go
from tests.system.farm import Farm, commit, happened, logged, opened, recipe

# To be found everywhere, or the search would be worth nothing.
PLANTED = "planted-by-the-recipe-itself"
PLANTING = WAITING.replace(
    "  echo waiting\n",
    f"  echo {PLANTED} >/build/planted\n  PLANTED={PLANTED} bash -c 'exec -a {PLANTED} sleep 1000003' &\n  echo waiting\n",
)


@contextlib.asynccontextmanager
async def wire(to: str, said: bytearray) -> AsyncIterator[str]:
    """A way to the server `to` on which everything that clients say can be read; yields its URL."""
    host, _, port = to.removeprefix("http://").partition(":")

    talks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, copy: bytearray) -> None:
        while piece := await reader.read(1 << 16):
            copy += piece
            writer.write(piece)
            await writer.drain()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection(host, int(port))
        pumps = [
            asyncio.create_task(pump(*way)) for way in ((reader, outer, said), (inner, writer, bytearray()))
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for end in (writer, outer):
                end.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.create_task(talk(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1")
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def places(data: Path, secret: str, made_after: Path) -> set[str]:
    """Where a running build could find `secret`: kinds of places of its processes, and files of its root."""
    root = Path(f"/proc/{inhabitants(data)[0]}/root")
    found = set()
    numbers = [entry for entry in (root / "proc").iterdir() if entry.name.isdigit()]
    assert 3 <= len(numbers) < 20, "a build sees its own processes only"
    for process in numbers:
        for name in ("environ", "cmdline"):
            if secret.encode() in (process / name).read_bytes():
                found.add(name)
    # No file that was last changed before the secret was made can hold it.
    search: list[str | Path] = [
        "find",
        f"{root}/",
        "-path",
        f"{root}/proc",
        "-prune",
        "-o",
        "-type",
        "f",
        "-cnewer",
        made_after,
    ]
    grep = ["-exec", "grep", "-laF", "-e", secret, "--", "{}", "+"]
    done = subprocess.run([*search, *grep], capture_output=True, text=True, check=False)
    assert not done.stderr
    return found | {line.removeprefix(str(root)) for line in done.stdout.splitlines()}


async def test_no_token_and_no_lease_is_within_reach_of_a_running_build(farm: Farm) -> None:
    stamp = farm.folder / "stamp"
    stamp.touch()
    recipe(farm.folder / "tree", "slow", PLANTING)
    commit(farm.folder / "tree")
    said = bytearray()
    async with opened(farm, farm.folder / "tree") as client, wire(farm.url, said) as url:
        await farm.builder("anvil", url)
        build = int((await happened(client, "build.running", pkgbase="slow")).subject)
        await logged(client, build, "waiting", attempt=1)
        lease = re.search(rb"quarters-lease: 1:(\S+)", bytes(said), re.IGNORECASE)
        assert lease is not None
        token = (farm.folder / "anvil.token").read_text()
        assert f"Bearer {token}".encode() in said
        admin = json.loads((farm.data / "client.json").read_text())["token"]
        data = farm.builder_data("anvil")
        for secret in (token, admin, lease[1].decode()):
            assert len(secret) > 20
            assert await asyncio.to_thread(places, data, secret, stamp) == set()
        assert await asyncio.to_thread(places, data, PLANTED, stamp) >= {
            "environ",
            "cmdline",
            "/build/planted",
        }
        assert not os.path.exists(f"/proc/{inhabitants(data)[0]}/root{farm.folder}")
        let_go(data)
        await happened(client, "build.succeeded", pkgbase="slow")
