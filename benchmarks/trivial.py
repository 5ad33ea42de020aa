"""Recipes that have next to nothing to do, in a git repository, and their publishing through a running server."""

import asyncio
import io
import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import aiohttp

from quarters.model.build import State
from quarters.protocol.client import Client
from quarters.protocol.resources import BuildRequest, NewSource

SOURCE = "trivial"
_LOOK = 0.01
_PATIENCE = 120.0
_PKGBUILD = """\
pkgname={name}
pkgver=1
pkgrel=1
pkgdesc='Next to nothing'
arch=('any')
makedepends=({depends})
package() {{
  install -Dm644 /dev/null "$pkgdir/usr/share/{name}/nothing"
}}
"""
_SRCINFO = """\
pkgbase = {name}
\tpkgdesc = Next to nothing
\tpkgver = 1
\tpkgrel = 1
\tarch = any

pkgname = {name}
"""


def write_recipe(folder: Path, name: str, needed: Sequence[str] = ()) -> None:
    """A recipe's folder; `needed` are the packages that it is built with."""
    folder.mkdir(parents=True)
    (folder / "PKGBUILD").write_text(_PKGBUILD.format(name=name, depends=" ".join(needed)))
    lines = "".join(f"\tmakedepends = {other}\n" for other in needed)
    (folder / ".SRCINFO").write_text(_SRCINFO.format(name=name, depends=lines))


def commit(tree: Path) -> None:
    """Make a git repository of the folder, whatever the user's own settings for git are."""
    who = {f"GIT_{role}_{what}": "bench" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environ = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "recipes"]):
        subprocess.run(["git", "-C", str(tree), *arguments], check=True, env=environ)


async def follow(client: Client, tree: Path) -> tuple[str, str]:
    """Add the recipes as a source and wait until they are read; the repository and the architecture they are for."""
    repository = (await client.repositories.list()).items[0]
    await client.sources.create(
        NewSource(name=SOURCE, location=str(tree), repository=repository.name, automatic=False)
    )
    async with asyncio.timeout(_PATIENCE):
        while (await client.sources.show(SOURCE)).synced_at is None:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.1)
    return repository.name, repository.arches[0]


async def build(client: Client, repository: str, arch: str, name: str) -> float:
    """Seconds from asking for a build to having downloaded an index that lists its package."""
    async with aiohttp.ClientSession() as session:
        began = perf_counter()
        requested = await client.builds.request(BuildRequest(packages=(name,), repository=repository))
        served = f"{client.url}/repo/{repository}/{arch}/{repository}.db"
        before = ""
        while perf_counter() - began < _PATIENCE:
            async with session.get(served, allow_redirects=False) as answer:
                place = answer.headers["Location"]
            if place != before:
                before = place
                async with session.get(served) as answer:
                    arrived, index = perf_counter(), await answer.read()
                if name in _listed(index):
                    return arrived - began
            await asyncio.sleep(_LOOK)
    ended = [await client.builds.show(number) for number in requested.builds]
    said = [it.why for it in ended if it.state is not State.SUCCEEDED]
    raise RuntimeError(f"{name} did not become visible within {_PATIENCE:.0f} s: {' '.join(said)}")


def _listed(index: bytes) -> set[str]:
    # A folder for each package, named after it and its version (repo-add(8)).
    with tarfile.open(fileobj=io.BytesIO(index)) as archive:
        return {member.name.split("/")[0].rsplit("-", 2)[0] for member in archive}
