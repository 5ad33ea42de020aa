"""What the server makes of connections that are used in other ways than a browser's."""

import asyncio
from pathlib import Path

import pytest

from quarters.server.settings import ServerSettings
from tests.integration.test_serving import big
from tests.press import Made, package
from tests.serving import Running, running


async def exchange(server: Running, sent: str) -> bytes:
    """All that is answered to `sent` until the server hangs up."""
    reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
    writer.write(sent.replace("\n", "\r\n").encode())
    async with asyncio.timeout(20):
        said = await reader.read()
    writer.close()
    return said


def get(path: str, more: str = "", version: str = "1.1") -> str:
    return f"GET {path} HTTP/{version}\nHost: here\n{more}\n"


CLOSE = "Connection: close\n"


@pytest.fixture
async def made(server: Running) -> tuple[Made, Made]:
    """A small and a large package that are published."""
    small, large = package("small"), big()
    for it in (small, large):
        await server.press.upload(it)
    return small, large


async def test_pipelined_requests_are_answered_in_their_order(
    server: Running, made: tuple[Made, Made]
) -> None:
    contents = {f"/repo/own/x86_64/{it.file_name}": it.content for it in made}
    small, large = contents
    # Twice, as the second time everything is known and answered at once.
    for _ in range(2):
        wanted = [small, large, large, "/health/live", small, "/repo/own/x86_64/none", large, small]
        said = await exchange(server, "".join(get(path) for path in wanted) + get(small, CLOSE))
        for path in [*wanted, small]:
            head, _, said = said.partition(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            length = int(fields[b"content-length"])
            body, said = said[:length], said[length:]
            assert head.startswith(b"HTTP/1.1 404" if path.endswith("none") else b"HTTP/1.1 200")
            assert body == contents.get(path, body)
        assert said == b""


@pytest.mark.parametrize("which", [0, 1])
async def test_a_connection_that_is_not_to_stay_ends_after_the_file(
    server: Running, made: tuple[Made, Made], which: int
) -> None:
    path = f"/repo/own/x86_64/{made[which].file_name}"
    for request in (get(path, CLOSE), get(path, version="1.0"), get(path, CLOSE)):
        head, _, body = (await exchange(server, request)).partition(b"\r\n\r\n")
        assert b"connection: close" in head.lower()
        assert body == made[which].content


async def test_a_whole_url_may_be_asked_for(server: Running, made: tuple[Made, Made]) -> None:
    said = await exchange(server, get(f"{server.url}/repo/own/x86_64/{made[0].file_name}", CLOSE))
    assert said.endswith(made[0].content)


async def test_a_slow_reader_gets_everything(server: Running, made: tuple[Made, Made]) -> None:
    reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"), limit=1024)
    writer.write(get(f"/repo/own/x86_64/{made[1].file_name}", CLOSE).replace("\n", "\r\n").encode())
    received = bytearray()
    while piece := await reader.read(512):
        received += piece
    assert received.endswith(made[1].content)
    writer.close()


async def test_a_reader_that_takes_nothing_is_hung_up_on(tmp_path: Path) -> None:
    async with running(tmp_path, ServerSettings(port=0, shutdown_grace=1, send_timeout=1)) as server:
        made = big()
        await server.press.upload(made)
        stored, _ = await server.press.shelf.package_file("own", None, "x86_64", made.file_name)
        stored.unlink()
        stored.write_bytes(made.content * 8)  # more than the kernel keeps for a client
        reader, writer = await asyncio.open_connection(
            *server.url.removeprefix("http://").split(":"), limit=1
        )
        writer.write(get(f"/repo/own/x86_64/{made.file_name}").replace("\n", "\r\n").encode())
        assert await reader.readexactly(1) == b"H"
        sending = [task for task in asyncio.all_tasks() if "run_asgi" in repr(task.get_coro())]
        assert sending
        _, left = await asyncio.wait(sending, timeout=30)
        assert not left
        writer.transport.abort()


async def test_the_files_of_a_repository_are_gone_as_soon_as_it_is(server: Running) -> None:
    await server.press.repository("other")
    await server.press.upload(package("small"), "other")
    path = f"/repo/other/x86_64/{package('small').file_name}"
    for _ in range(2):
        assert (await exchange(server, get(path, CLOSE))).startswith(b"HTTP/1.1 200")
    await server.press.repositories.delete("other")
    assert (await exchange(server, get(path, CLOSE))).startswith(b"HTTP/1.1 404")
