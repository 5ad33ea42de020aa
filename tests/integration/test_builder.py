"""The builder's agent with the real sandbox, against a server in memory."""

import asyncio
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarters.builder import leftovers
from quarters.builder.bubblewrap import Layer
from quarters.builder.executors.sandbox import Sandbox
from quarters.builder.failure import BuilderUnusable
from quarters.builder.root.provision import Standing
from quarters.builder.roots import DirectoryRoot, HostRoot
from quarters.model.build import Outcome, Reason, Step
from quarters.model.errors import DataFolderBusy
from tests.inhabitants import WAITING, inhabitants, let_go
from tests.integration.recorder import (
    TOKEN,
    Recorder,
    agent,
    assignment,
    built,
    pkgbuild,
    running,
    settings,
)

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("bwrap", "makepkg", "pacman"))),
    reason="the sandbox needs root, bubblewrap and pacman",
)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The builder's folder; in the end nothing may live or be mounted there."""
    folder = tmp_path / "data"
    yield folder
    assert inhabitants(folder) == []
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


async def test_nothing_of_a_build_is_left_when_it_ends(data: Path) -> None:
    recipe = pkgbuild("build() { setsid sleep 1000003 >/dev/null 2>&1 & disown; echo started; }")
    finish, server = await built(data, recipe)
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert inhabitants(data) == []
    assert list((data / "work").iterdir()) == []


async def test_what_a_build_used_is_measured(data: Path) -> None:
    recipe = pkgbuild(
        """build() { head -c 40000000 /dev/urandom >big; perl -e '$x = "x" x 100_000_000; sleep 3'; }"""
    )
    finish, server = await built(data, recipe)
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert 3 <= finish.measured.seconds < 60
    assert 100_000_000 <= finish.measured.memory < 400_000_000
    assert 40_000_000 <= finish.measured.disk < 80_000_000


async def test_a_build_whose_time_is_over_is_killed_with_all_that_it_started(data: Path) -> None:
    finish, server = await built(data, pkgbuild(WAITING), timeout=3)
    assert finish.outcome is Outcome.TIMED_OUT
    assert finish.message == "The build took longer than 3 s."
    assert finish.steps[-1].step is Step.BUILD
    assert finish.steps[-1].ended_at is not None
    assert "\nwaiting\n" in server.log(1)
    assert inhabitants(data) == []


async def test_a_build_that_prints_without_end_is_ended_with_a_mark(data: Path) -> None:
    finish, server = await built(data, pkgbuild("build() { yes; }"), builder={"log_limit": 200_000})
    assert finish.reason is Reason.LOG_TOO_LARGE
    assert finish.steps[-1].step is Step.BUILD
    assert "[quarters] The log passed its limit of 200000 bytes; the build was ended.\n" in server.log(1)
    assert len(server.log(1)) < 202_000


async def test_a_server_that_takes_less_of_a_log_gets_the_mark_as_well(data: Path) -> None:
    finish, server = await built(data, pkgbuild("build() { yes; }"), log_limit=300_000)
    assert finish.reason is Reason.LOG_TOO_LARGE
    assert server.log(1).endswith("the build was ended.\n")
    assert 200_000 < len(server.log(1)) < 300_000


async def test_no_credential_of_the_builder_is_within_reach_of_a_build(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUARTERS_BUILDER__TOKEN", TOKEN)
    server = Recorder()
    server.assign(assignment(lease="the-lease-is-a-secret-too"), pkgbuild(WAITING))
    async with asyncio.timeout(60), running(server, data):
        await server.until_logged(1, "\nwaiting\n")
        inside = inhabitants(data)
        assert len(inside) >= 3
        for pid in inside:
            for name in ("environ", "cmdline"):
                seen = Path(f"/proc/{pid}/{name}").read_bytes()
                assert TOKEN.encode() not in seen
                assert b"the-lease-is" not in seen
        secrets = ["-e", TOKEN, "-e", "the-lease-is-a-secret-too"]
        root = f"/proc/{inside[0]}/root"
        # All of the root; of /usr, which is the machine's own, what is not: the upper layer.
        places = [f"{root}/{part}" for part in os.listdir(root) if part not in ("usr", "proc", "dev", "sys")]
        places += map(str, (data / "work").glob("*/changes-usr"))
        grep = await asyncio.create_subprocess_exec(
            *("grep", "-rlaF", "--devices=skip", *secrets, "--", *places), stdout=subprocess.PIPE
        )
        found, _ = await grep.communicate()
        assert found == b""
        assert grep.returncode == 1, "grep itself failed"
        visible = set(os.listdir(f"{root}/proc")) & {str(os.getpid())}
        assert (
            not visible
            or Path(f"{root}/proc/{os.getpid()}/comm").read_text() != Path("/proc/self/comm").read_text()
        )
        let_go(data)
        assert (await server.until_finished(1)).outcome is Outcome.BUILT


@pytest.mark.parametrize("how", ["cancelled", "lost"])
async def test_a_build_whose_lease_ends_is_stopped_and_reports_nothing(data: Path, how: str) -> None:
    server = Recorder()
    server.assign(assignment(1, heartbeat=0.1), pkgbuild(WAITING))
    async with asyncio.timeout(60), running(server, data):
        await server.until_logged(1, "\nwaiting\n")
        (server.cancelled if how == "cancelled" else server.lost).add(1)
        server.taken.add(1)
        # The slot is free again: the next build is taken and ends.
        server.assign(assignment(2), pkgbuild())
        assert (await server.until_finished(2)).outcome is Outcome.BUILT
        assert 1 not in server.finished
        assert inhabitants(data) == []


async def test_a_stopped_builder_hands_back_its_builds_and_leaves_nothing(data: Path) -> None:
    server = Recorder()
    server.assign(assignment(), pkgbuild(WAITING))
    async with asyncio.timeout(60), running(server, data):
        await server.until_logged(1, "\nwaiting\n")
        assert inhabitants(data)
    assert inhabitants(data) == []
    assert list((data / "work").iterdir()) == []
    assert server.finished[1].outcome is Outcome.HANDED_BACK


async def test_a_draining_builder_finishes_what_it_has_and_takes_nothing_new(data: Path) -> None:
    server = Recorder()
    server.assign(assignment(1), pkgbuild(WAITING))
    builder = agent(server, settings(data, slots=2))
    async with asyncio.timeout(60):
        task = asyncio.create_task(builder.run())
        await server.until_logged(1, "\nwaiting\n")
        builder.drain()
        await server.until_nobody_asks()
        server.assign(assignment(2), pkgbuild())
        let_go(data)
        await task
    assert list(server.finished) == [1]


async def test_slots_build_at_the_same_time_as_users_of_their_own(data: Path) -> None:
    server = Recorder()
    for build in (1, 2):
        server.assign(assignment(build), pkgbuild(WAITING))
    async with asyncio.timeout(90), running(server, data, slots=2):
        for build in (1, 2):
            await server.until_logged(build, "\nwaiting\n")
        users = {Path(f"/proc/{pid}").stat().st_uid for pid in inhabitants(data)}
        assert users == {64000, 64001}


async def test_logs_and_artifacts_arrive_whole_over_a_bad_line(data: Path) -> None:
    server = Recorder()
    server.failures = ["append_log", "upload_artifact", "append_log", "finish"]
    server.assign(assignment(), pkgbuild("build() { seq 100000; }"))
    async with asyncio.timeout(60), running(server, data):
        finish = await server.until_finished(1)
    assert server.failures == []
    numbers = [line for line in server.log(1).splitlines() if line.isdigit()]
    assert numbers == [str(number) for number in range(1, 100001)]
    artifact = finish.artifacts[0]
    assert len(server.artifacts[artifact.file_name]) == artifact.size


async def test_two_builders_cannot_use_one_folder(data: Path) -> None:
    server = Recorder()
    server.assign(assignment(), pkgbuild())
    async with running(server, data):
        await server.until_finished(1)
        with pytest.raises(DataFolderBusy):
            await agent(Recorder(), settings(data)).run()


KILLED = """
import asyncio, sys
from pathlib import Path
from tests.integration.recorder import Recorder, assignment, pkgbuild, running
from tests.integration.test_builder import WAITING

async def main():
    server = Recorder()
    server.assign(assignment(), pkgbuild(WAITING))
    async with running(server, Path(sys.argv[1])):
        await server.until_logged(1, "\\nwaiting\\n")
        print("waiting", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_killed_builder_leaves_nothing_running_and_its_successor_works(
    data: Path, project: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, str(data)), cwd=project, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if line == b"waiting\n":
            break
    inside = [os.pidfd_open(pid) for pid in inhabitants(data)]
    assert len(inside) >= 3
    process.kill()
    await process.wait()
    for descriptor in inside:
        ended, _, _ = select.select([descriptor], [], [], 10)
        os.close(descriptor)
        assert ended
    assert list((data / "work").iterdir())
    finish, server = await built(data, pkgbuild())
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert list((data / "work").iterdir()) == []


ORPHAN = """
mkdir -p {0}/upper {0}/scratch {0}/root
mount -t overlay overlay -o lowerdir=/,upperdir={0}/upper,workdir={0}/scratch {0}/root
exec bwrap --bind {0}/root / --proc /proc --dev /dev sh -c 'echo inside; exec sleep 1000003'
"""


async def test_a_new_builder_ends_and_unmounts_what_it_finds(data: Path) -> None:
    work = data / "work" / "7-1"
    mounted = data / "work" / "8-1" / "mounted"
    mounted.mkdir(parents=True)
    await (await asyncio.create_subprocess_exec("mount", "-t", "tmpfs", "tmpfs", str(mounted))).wait()
    orphan = await asyncio.create_subprocess_exec(
        *("unshare", "--mount", "--propagation", "private", "sh", "-euc", ORPHAN.format(work)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert orphan.stdout is not None
    assert await orphan.stdout.readline() == b"inside\n"
    assert inhabitants(data)
    await leftovers.end(data)
    assert await orphan.wait() != 0
    assert list((data / "work").iterdir()) == []


async def test_a_prepared_folder_serves_as_root(tmp_path: Path, data: Path) -> None:
    layers = HostRoot(tmp_path / "skeleton").layers()
    root = tmp_path / "prepared"
    shutil.copytree(layers[0].lower, root, symlinks=True)
    (root / "usr/bin").mkdir()
    (root / "usr/bin/makepkg").touch()
    assert DirectoryRoot(root).layers() == (Layer(root),)
    with pytest.raises(BuilderUnusable, match="pacstrap"):
        DirectoryRoot(tmp_path / "empty").layers()


async def test_a_builder_whose_data_is_where_builds_can_see_it_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(BuilderUnusable, match="cannot be below"):
        HostRoot(Path("/usr/share/quarters/roots/host")).layers()
    with pytest.raises(BuilderUnusable, match="comma"):
        await Sandbox(settings(tmp_path / "a,b"), Standing(DirectoryRoot(tmp_path))).start()
