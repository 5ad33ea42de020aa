"""What only builders with a container engine have: an image that is made anew, and leftovers in the engine."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from quarters.builder.engine import tars
from quarters.builder.engine.api import EngineError
from quarters.builder.engine.builder_image import BuilderImage
from quarters.builder.engine.engine import Engine
from quarters.builder.engine.images import Image
from quarters.builder.engine.settings import ContainerSettings
from quarters.builder.executors.container import Container
from quarters.builder.failure import BuilderUnusable
from quarters.builder.settings import BuilderSettings
from quarters.model.build import Outcome
from tests.contracts.machines import NAME, Engines
from tests.contracts.machines import archive as archive
from tests.contracts.machines import docker as docker
from tests.integration.recorder import pkgbuild

KILLED = """
import asyncio, sys
from pathlib import Path
from tests.contracts.machines import Engines
from tests.inhabitants import WAITING
from tests.integration.recorder import Recorder, assignment, pkgbuild

async def main():
    server = Recorder()
    server.assign(assignment(), pkgbuild(WAITING))
    machine = Engines(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    async with machine.running(server):
        await server.until_logged(1, "\\nwaiting\\n")
        print("waiting", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def now() -> datetime:
    return datetime.now(UTC)


async def test_what_a_killed_builder_leaves_is_removed_by_its_successor(
    docker: tuple[str, Path], tmp_path: Path, project: Path
) -> None:
    address, root = docker
    machine = Engines(tmp_path / "data", address, root)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, str(machine.data), address, str(root)),
        cwd=project,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if line == b"waiting\n":
            break
    process.kill()
    await process.wait()
    assert await machine.left_over()
    finish, server = await machine.built(pkgbuild())
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert await machine.left_over() == []
    await machine.engine.close()


async def test_a_new_image_takes_the_place_of_the_old_one_once_nobody_uses_that(
    docker: tuple[str, Path], tmp_path: Path
) -> None:
    address, root = docker
    engine = Engine(address)
    base = await engine.images.load(tars.of_place(root), "quarters-test:base")
    (tmp_path / "Containerfile").write_text("FROM quarters-test:base\nRUN echo prepared >/usr/prepared\n")
    settings = ContainerSettings(
        engine=address,
        containerfile=tmp_path / "Containerfile",
        network="host",
        packages=(),
        upgrade=False,
        refresh=0,
    )
    owner = f"{NAME}@{tmp_path}"
    times = iter(datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 28))
    image = BuilderImage(engine, settings, owner, lambda: next(times))
    try:
        await image.start()
        with image.lent() as old:
            await image.refresh()
            with image.lent() as new:
                assert new != old
            assert {it.identity for it in await _images(engine, owner)} == {old, new}
        await image.refresh()
        assert old not in {it.identity for it in await _images(engine, owner)}
        # Another process finds the newest one; one with other settings makes its own.
        again = BuilderImage(engine, settings, owner, now)
        await again.start()
        with again.lent() as found, image.lent() as newest:
            assert found == newest
        failing = msgspec.structs.replace(settings, upgrade=True)
        with pytest.raises(BuilderUnusable, match=r"cannot be made: The packages .* brought up to date"):
            await BuilderImage(engine, failing, owner, now).start()
    finally:
        for it in await _images(engine, owner):
            await engine.images.remove(it.identity)
        await engine.images.remove(base)
        await engine.close()


async def _images(engine: Engine, owner: str) -> list[Image]:
    return await engine.images.labelled(f"quarters.builder={owner}")


async def test_an_engine_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    settings = BuilderSettings(data=tmp_path / "data", server="http://192.0.2.1")
    container = ContainerSettings(engine=f"unix://{tmp_path}/none")
    with pytest.raises(BuilderUnusable, match=r"at unix://.*/none cannot be reached: No such file"):
        await Container(settings, container, now).start()
    with pytest.raises(EngineError, match="is no address of a container engine"):
        Engine("docker")


async def test_a_server_that_containers_cannot_reach_is_told_before_anything_starts(tmp_path: Path) -> None:
    executor = Container(BuilderSettings(data=tmp_path), ContainerSettings(), now)
    with pytest.raises(BuilderUnusable, match=r"cannot reach a server at 127\.0\.0\.1: set builder.server"):
        executor.check()
