"""A builder whose server, link or own process goes away while it works, with the real sandbox."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarters.model.build import Outcome, Reason
from quarters.protocol.builds import ArtifactDigest, Finish, LeaseKey, Received
from tests.inhabitants import WAITING, inhabitants, let_go
from tests.integration.recorder import Recorder, assignment, built, pkgbuild, running

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("bwrap", "makepkg", "pacman"))),
    reason="the sandbox needs root, bubblewrap and pacman",
)


class Stuck(Recorder):
    """Takes half of every artifact, and then nothing more until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads = 0
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def upload_artifact(
        self, key: LeaseKey, artifact: ArtifactDigest, path: Path, offset: int
    ) -> Received:
        """Take the first half and wait."""
        self.uploads += 1
        if not self.open.is_set():
            self.artifacts[artifact.file_name] += path.read_bytes()[offset : artifact.size // 2]
            self.reached.set()
            await self.open.wait()
        return await super().upload_artifact(key, artifact, path, offset)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The builder's folder; in the end nothing may live or be mounted there, nor be left of a build."""
    folder = tmp_path / "data"
    yield folder
    assert inhabitants(folder) == []
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert list((folder / "work").iterdir()) == []


async def stopped_while_it_uploads(data: Path) -> Stuck:
    server = Stuck()
    server.assign(assignment(), pkgbuild("build() { echo only once; }"))
    async with asyncio.timeout(60), running(server, data):
        await server.reached.wait()
    assert server.finished == {}
    (kept,) = (data / "work").iterdir()
    assert {path.name for path in kept.iterdir()} >= {"built.json", "log", "artifacts"}
    server.open.set()
    return server


async def test_a_builder_that_is_started_again_sends_what_it_had_built(data: Path) -> None:
    server = await stopped_while_it_uploads(data)
    async with asyncio.timeout(60), running(server, data):
        finish = await server.until_finished(1)
        assert (finish.outcome, server.uploads) == (Outcome.BUILT, 2)
        (artifact,) = finish.artifacts
        assert len(server.artifacts[artifact.file_name]) == artifact.size
        assert server.log(1).count("\nonly once\n") == 1
        assert "what it had built is sent now" in server.log(1)
        # The slot is free again.
        server.assign(assignment(2, pkgbase="other", outputs=("other",)), pkgbuild(name="other"))
        assert (await server.until_finished(2)).outcome is Outcome.BUILT


async def test_what_was_built_is_sent_under_a_new_lease_where_the_old_one_ran_out(data: Path) -> None:
    server = await stopped_while_it_uploads(data)
    server.lost.add(1)
    async with asyncio.timeout(60), running(server, data):
        finish = await server.until_finished(1)
    assert finish.outcome is Outcome.BUILT
    (artifact,) = finish.artifacts
    assert len(server.artifacts[artifact.file_name]) == artifact.size
    assert server.log(1).count("\nonly once\n") == 1
    assert server.given[1].attempt == 2


async def test_what_somebody_else_builds_by_now_is_thrown_away(data: Path) -> None:
    server = await stopped_while_it_uploads(data)
    server.lost.add(1)
    server.taken.add(1)
    async with asyncio.timeout(60), running(server, data):
        server.assign(assignment(2, pkgbase="other", outputs=("other",)), pkgbuild(name="other"))
        await server.until_finished(2)
    assert 1 not in server.finished


async def test_what_was_damaged_on_the_disk_is_not_sent(data: Path) -> None:
    server = await stopped_while_it_uploads(data)
    (package,) = (data / "work").glob("*/artifacts/*")
    package.write_bytes(b"lost power")
    async with asyncio.timeout(60), running(server, data):
        finish = await server.until_finished(1)
    assert (finish.outcome, finish.reason) == (Outcome.FAILED, Reason.INTERNAL_ERROR)
    assert finish.message == "What was built is damaged on the builder's disk."


async def test_a_build_whose_lease_ran_out_goes_on_under_a_new_one_where_nobody_has_it(data: Path) -> None:
    server = Recorder()
    server.assign(assignment(heartbeat=0.1), pkgbuild(WAITING))
    async with asyncio.timeout(60), running(server, data):
        await server.until_logged(1, "\nwaiting\n")
        server.lost.add(1)
        await server.until_resumed(1)
        let_go(data)
        assert (await server.until_finished(1)).outcome is Outcome.BUILT
    # The log of the new attempt has all of it, from the beginning.
    assert server.log(1).startswith("[quarters] step root started")
    assert server.log(1).count("\nwaiting\n") == 1


class Missing(Recorder):
    """Takes the lease away just before it is told of the end."""

    async def finish(self, key: LeaseKey, finish: Finish) -> None:
        """Refuse the first time."""
        if self.given[key.build].attempt == 1:
            self.lost.add(key.build)
        await super().finish(key, finish)


async def test_all_is_sent_again_where_the_lease_ran_out_after_all_was_sent(data: Path) -> None:
    server = Missing()
    server.assign(assignment(), pkgbuild("build() { echo only once; }"))
    async with asyncio.timeout(60), running(server, data):
        finish = await server.until_finished(1)
    assert (finish.outcome, server.given[1].attempt) == (Outcome.BUILT, 2)
    (artifact,) = finish.artifacts
    assert len(server.artifacts[artifact.file_name]) == artifact.size
    assert server.log(1).count("\nonly once\n") == 1


async def test_a_fault_of_the_builder_is_told_at_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("quarters.builder.attempt.described", broken)
    finish, _ = await built(data, pkgbuild())
    assert (finish.outcome, finish.reason) == (Outcome.FAILED, Reason.INTERNAL_ERROR)
    assert finish.message == "The builder failed: a fault"


class Fussy(Recorder):
    """Has no use for logs."""

    async def append_log(self, key: LeaseKey, offset: int, data: bytes) -> Received:
        """Fail in a way that nobody thought of."""
        raise RuntimeError("no logs here")


async def test_a_fault_beside_the_build_is_told_at_once_too(data: Path) -> None:
    server = Fussy()
    server.assign(assignment(), pkgbuild(WAITING))
    async with asyncio.timeout(60), running(server, data):
        finish = await server.until_finished(1)
    assert (finish.outcome, finish.reason) == (Outcome.FAILED, Reason.INTERNAL_ERROR)
    assert finish.message == "The builder failed: RuntimeError: no logs here"
