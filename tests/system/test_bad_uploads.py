"""Package files of the worst kind, sent over HTTP by a person and by a builder: none of them is ever listed."""

import asyncio
import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from quarters.model.build import Outcome, Reason, State
from quarters.model.errors import Invalid, LeaseLost, NotFound, Unauthenticated
from quarters.model.token import Scope
from quarters.protocol.builds import ArtifactDigest, Assignment, ClaimRequest, Finish, LeaseKey
from quarters.protocol.client import Client
from quarters.protocol.resources import BuildRequest, NewRepository, NewSource, NewToken
from tests.system.farm import REPOSITORY, Farm, commit, farm_in, happened, recipe
from tests.unit.formats.pacman.packing import file, gzipped, pkginfo, tarred

NAME = "greet-1-1-any.pkg.tar.gz"


def packed(*others: tuple[tarfile.TarInfo, bytes], name: str = "greet", version: str = "1-1") -> bytes:
    """A package with further members."""
    text = f"pkgname = {name}\npkgbase = greet\npkgver = {version}\npkgdesc = Says\narch = any\nbuilddate = 1\nsize = 1\n"
    return gzipped(tarred([pkginfo(text), file("usr/share/greet"), *others]))


SPOILED = {
    "truncated": (NAME, packed()[:-40]),
    "wrongly named": (NAME, packed(name="groan")),
    "with a member above": (NAME, packed(file("../../etc/escaped"))),
    "with an absolute member": (NAME, packed(file("/etc/escaped"))),
    "with another version inside": (NAME, packed(version="2-1")),
    "no archive": (NAME, b"<html>Sign in to continue</html>"),
}
BY_BUILDERS = SPOILED | {
    "of another version": ("greet-2-1-any.pkg.tar.gz", packed(version="2-1")),
    "named like a folder above": (f"../{NAME}", packed()),
}


@pytest.fixture(scope="module")
def farm(real_tools: None) -> Iterator[Farm]:
    """A server with the recipe `greet`, and nobody who would build it."""
    with TemporaryDirectory(prefix="q-", dir="/var/tmp") as name, farm_in(Path(name)) as farm:
        recipe(farm.folder / "tree", "greet")
        commit(farm.folder / "tree")
        farm.server()
        asyncio.run(furnish(farm))
        yield farm


async def furnish(farm: Farm) -> None:
    async with farm.client() as client:
        await client.repositories.create(NewRepository(name=REPOSITORY))
        location = str(farm.folder / "tree")
        new = NewSource(name="tree", location=location, repository=REPOSITORY, automatic=False)
        await client.sources.create(new)
        await happened(client, "source.synced")
        made = await client.tokens.create(NewToken(name="forger", scope=Scope.BUILDER))
        (farm.folder / "forger.token").write_text(made.secret)


async def claimed(farm: Farm, client: Client, forger: Client) -> Assignment:
    """A build of `greet` in the hands of somebody who builds nothing."""
    await client.builds.request(BuildRequest(packages=("greet",)))
    request = ClaimRequest(builder="forger", arches=("x86_64",), slots=1, free=1, wait=20)
    (assignment,) = (await forger.work.claim(request)).assignments
    return assignment


def written(farm: Farm, content: bytes) -> tuple[Path, str]:
    path = farm.folder / "upload"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


async def nothing_is_listed(client: Client) -> None:
    assert (await client.repositories.packages(REPOSITORY)).items == ()
    shown = await client.repositories.show(REPOSITORY)
    assert shown.snapshot is None or shown.snapshot.number == 1


@pytest.mark.parametrize("how", SPOILED)
async def test_a_person_cannot_publish_a_package_that_is(farm: Farm, tmp_path: Path, how: str) -> None:
    name, content = SPOILED[how]
    path = tmp_path / name
    path.write_bytes(content)
    async with farm.client() as client:
        with pytest.raises(Invalid, match=r"\.$"):
            await client.repositories.publish(REPOSITORY, path)
        await nothing_is_listed(client)


@pytest.mark.parametrize("how", BY_BUILDERS)
async def test_a_builder_cannot_deliver_a_package_that_is(farm: Farm, how: str) -> None:
    name, content = BY_BUILDERS[how]
    path, digest = written(farm, content)
    artifact = ArtifactDigest(name, len(content), digest)
    token = (farm.folder / "forger.token").read_text()
    async with farm.client() as client, Client(farm.url, token) as forger:
        assignment = await claimed(farm, client, forger)
        key = LeaseKey.of(assignment)
        finish = Finish(outcome=Outcome.BUILT, steps=(), version="1-1", artifacts=(artifact,))
        if how == "named like a folder above":
            with pytest.raises(NotFound):  # no address leads there
                await forger.work.upload_artifact(key, artifact, path)
            await client.builds.cancel(assignment.build)
        else:
            await forger.work.upload_artifact(key, artifact, path)
            await forger.work.finish(key, finish)
            await rejected(client, assignment.build)
        await nothing_is_listed(client)
        assert not list(farm.data.rglob("escaped"))


async def rejected(client: Client, build: int) -> None:
    """Return once a publish was refused with a reason."""
    after = 0
    while True:
        event = await happened(client, "build.failed", after=after, pkgbase="greet")
        after = event.id
        if event.subject == str(build):
            break
    failed = await client.builds.show(build)
    assert (failed.state, failed.reason) == (State.FAILED, Reason.PUBLISH_REJECTED)
    assert failed.message.endswith(".")


@pytest.mark.parametrize("token", ["", "qt_a-guess"])
async def test_nobody_uploads_without_a_token_that_is_known(farm: Farm, token: str) -> None:
    own = (farm.folder / "forger.token").read_text()
    path, digest = written(farm, packed())
    artifact = ArtifactDigest(NAME, path.stat().st_size, digest)
    async with farm.client() as client, Client(farm.url, own) as forger, Client(farm.url, token) as stranger:
        assignment = await claimed(farm, client, forger)
        key = LeaseKey.of(assignment)
        with pytest.raises(Unauthenticated):
            await stranger.repositories.publish(REPOSITORY, path)
        with pytest.raises(Unauthenticated):
            await stranger.work.upload_artifact(key, artifact, path)
        guessed = LeaseKey(key.build, key.attempt, "a-guess")
        with pytest.raises(LeaseLost):
            await forger.work.upload_artifact(guessed, artifact, path)
        await client.builds.cancel(assignment.build)
        await nothing_is_listed(client)
