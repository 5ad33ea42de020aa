"""Where branches stand: asked of what the real git's server says over HTTP, of mere files, and of what is not there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from quarters.sources.errors import SourceUnreachable
from quarters.sources.git import Git as OurGit
from quarters.sources.updates.refs import HEAD, Refs
from tests.following import Git

NEXT = "refs/heads/next"


@asynccontextmanager
async def served(repository: Path) -> AsyncIterator[str]:
    """`/smart` by git's own server, `/dumb` as files."""

    async def smart(request: web.Request) -> web.Response:
        process = await asyncio.create_subprocess_exec(
            "git", "upload-pack", "--stateless-rpc", "--advertise-refs", str(repository),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        told, _ = await process.communicate()
        kind = "application/x-git-upload-pack-advertisement"
        return web.Response(body=b"001e# service=git-upload-pack\n0000" + told, content_type=kind)

    async def dumb(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(repository / ".git" / request.match_info["path"])

    app = web.Application()
    app.router.add_get("/smart/info/refs", smart)
    app.router.add_get("/dumb/{path:.*}", dumb)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """A repository with two branches, and more refs behind them than anybody wants to read."""
    git = Git(tmp_path / "upstream")
    git.write("a")
    git.commit()
    git("switch", "--quiet", "--create", "next")
    git.write("b")
    git.commit()
    git("switch", "--quiet", "main")
    for number in range(50):
        git("update-ref", f"refs/pull/{number}/head", "HEAD")
    git("update-server-info")
    return git


@pytest.mark.parametrize("kind", ["smart", "dumb"])
async def test_head_and_branches_are_told_as_git_tells_them(git: Git, tmp_path: Path, kind: str) -> None:
    async with served(git.folder) as url:
        place = f"{url}/{kind}"
        wanted = {place: {HEAD, NEXT, "refs/heads/missing"}}
        found = await Refs(OurGit(tmp_path / "mirror", 30), 30).of(wanted)
    assert found == {place: {HEAD: git("rev-parse", "main"), NEXT: git("rev-parse", "next")}}


async def test_what_cannot_be_reached_is_said_and_keeps_nobody_else_from_an_answer(
    git: Git, tmp_path: Path
) -> None:
    mirror = OurGit(tmp_path / "mirror", 30)
    await mirror.prepare()
    async with served(git.folder) as url:
        places = [f"{url}/smart", f"{url}/nowhere", "http://127.0.0.1:9/x", "git://127.0.0.1:9/x"]
        found = await Refs(mirror, 30).of({place: {NEXT} for place in places})
    assert found[places[0]] == {NEXT: git("rev-parse", "next")}
    problems = [str(it) for it in found.values() if isinstance(it, SourceUnreachable)]
    assert len(problems) == 3
    assert all(place in problem for place, problem in zip(places[1:], problems, strict=True))
