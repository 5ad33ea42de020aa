"""`quarters source put|drop|bump`: packages of a tree, changed by a pushed commit each."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from quarters.cli import output
from quarters.cli.connection import connect
from quarters.cli.output import Json, Yes
from quarters.model.errors import Invalid
from quarters.protocol.tending import Committed, Tending

Name = Annotated[str, Parameter(help="Name of the source.")]
Packages = Annotated[str, Parameter(help="Folders of the tree.")]
Message = Annotated[str, Parameter(help="What the commit says, instead of the usual.")]


async def put(
    name: Name,
    folder: Annotated[Path, Parameter(help="A folder with a PKGBUILD on this machine.")],
    package: Annotated[
        str | None, Parameter(help="The folder of the tree; without it, the name of the one given.")
    ] = None,
    /,
    *,
    message: Message = "",
    json: Json = False,
) -> None:
    """Add a package to a tree, or replace it: its folder is to hold what a folder here does."""
    place = folder.resolve()
    if not (place / "PKGBUILD").is_file():
        raise Invalid(f"{folder} has no PKGBUILD.")
    async with connect() as client:
        archive = _packed(place)
        done = await client.sources.put_package(name, package or place.name, archive, message)
    _tell(name, [done], json=json)


async def drop(
    name: Name, /, *packages: Packages, message: Message = "", yes: Yes = False, json: Json = False
) -> int | None:
    """Take packages out of a tree; what only they produced leaves the repository."""
    _refuse_none(packages)
    if not output.confirmed(f"Drop {', '.join(packages)} from {name}?", yes=yes or json):
        return 1
    async with connect() as client:
        done = await client.sources.drop_packages(name, Tending(packages=packages, message=message))
    _tell(name, done, json=json)
    return None


async def bump(name: Name, /, *packages: Packages, message: Message = "", json: Json = False) -> None:
    """Have packages be built once more, as a higher release of the version that they have."""
    _refuse_none(packages)
    async with connect() as client:
        done = await client.sources.bump_packages(name, Tending(packages=packages, message=message))
    _tell(name, done, json=json)


def _refuse_none(packages: Sequence[str]) -> None:
    if not packages:
        raise Invalid("Name at least one folder of the tree.")


def _tell(name: str, done: Sequence[Committed], *, json: bool) -> None:
    if json:
        return output.show(done)
    for it in done:
        if it.commit:
            output.say(f"{it.package}: commit {it.commit[:12]} is pushed; {name} is being synced.")
        else:
            output.say(f"{it.package} is like that already.")
    return None


def _packed(folder: Path) -> bytes:
    """A tar archive of a folder, without what git keeps there."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(folder, arcname=".", filter=lambda it: None if ".git" in it.name.split("/") else it)
    return out.getvalue()
