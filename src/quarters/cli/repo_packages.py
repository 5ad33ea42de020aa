"""`quarters repo packages|publish|remove|promote`: what is in a repository, and how it gets there."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from quarters.cli import output
from quarters.cli.connection import connect, everything
from quarters.cli.output import Arch, DryRun, Json, Yes
from quarters.cli.repo_snapshots import changes, tell
from quarters.model.errors import Invalid
from quarters.protocol.snapshots import Promotion, Removal

if TYPE_CHECKING:
    from quarters.protocol.client import Client
    from quarters.protocol.resources import PackageView


_SIGNATURE = ".sig"


async def packages(
    name: str,
    /,
    *,
    arch: Arch = None,
    query: Annotated[str | None, Parameter(help="Part of the package's name.")] = None,
    json: Json = False,
) -> None:
    """List the packages in a repository."""
    async with connect() as client:
        found = await everything(
            lambda cursor: client.repositories.packages(name, arch=arch, query=query, cursor=cursor)
        )
    if json:
        return output.show(found)
    return output.table(
        ("PACKAGE", "VERSION", "ARCH?", ">SIZE?", "ADDED", ">BUILD", "PACKAGER?"),
        (
            (
                it.name,
                it.version,
                it.arch,
                output.size(it.size),
                output.ago(it.added_at),
                it.build,
                it.packager,
            )
            for it in found
        ),
        empty=f"{name} has no such package." if arch or query else f"{name} is empty.",
    )


async def publish(
    name: str,
    /,
    *files: Path,
    allow_downgrade: Annotated[
        bool, Parameter(help="Publish them even where a newer version is published.")
    ] = False,
    json: Json = False,
) -> None:
    """Upload package files, each with its signature FILE.sig where that is named too: all in one snapshot, or none."""
    pairs = _with_signatures(files)
    async with connect() as client:
        if len(pairs) == 1:
            file, signature = pairs[0]
            added: Sequence[PackageView] = [
                await client.repositories.publish(name, file, signature, allow_downgrade=allow_downgrade)
            ]
        else:
            added = await _publish_all(client, name, pairs, allow_downgrade=allow_downgrade)
    if json:
        return output.show(added)
    for it in added:
        output.say(f"{it.name} {it.version} ({it.arch}) is published in {it.repository}.")
    return None


async def _publish_all(
    client: "Client", name: str, pairs: Sequence[tuple[Path, bytes | None]], *, allow_downgrade: bool
) -> "list[PackageView]":
    """Send all files before any of them is listed."""
    from quarters.protocol.client.files import pieces
    from quarters.protocol.imports import Import

    sha256s = []
    for file, signature in pairs:
        with file.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        announced = (file.name, file.stat().st_size, sha256)
        await client.imports.send(name, announced, pieces(file), signature)
        sha256s.append(sha256)
    wanted = Import(packages=tuple(sha256s), allow_downgrade=allow_downgrade, whole=True)
    await client.imports.publish(name, wanted)
    listed = await everything(lambda cursor: client.repositories.packages(name, limit=500, cursor=cursor))
    return list({it.sha256: it for it in listed if it.sha256 in sha256s}.values())


async def remove(
    name: str, /, *packages: str, arch: Arch = None, yes: Yes = False, json: Json = False
) -> None:
    """Take packages out of the index, all of them at once; older snapshots keep them."""
    if not packages:
        raise Invalid("Name at least one package to remove.")
    if not output.confirmed(f"Remove {', '.join(packages)} from {name}?", yes=yes):
        return None
    async with connect() as client:
        made = await client.repositories.remove_all(name, Removal(packages=packages, arch=arch))
    return output.show(made) if json else tell([made])


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is to be promoted."""

    all: Annotated[bool, Parameter(negative=(), show_default=False, help="Promote everything.")] = False
    arch: Arch = None
    force: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Even if something would then be missing.")
    ] = False
    dry_run: DryRun = False


async def promote(
    source: str, target: str, /, *packages: str, choice: Choice | None = None, json: Json = False
) -> int:
    """List packages (named by pkgbase, group or name) of one repository in another one too, if nothing there breaks."""
    chosen = choice or Choice()
    if bool(packages) == chosen.all:
        raise Invalid("Name the packages to promote, or give --all.")
    wanted = Promotion(
        target=target, packages=packages, arch=chosen.arch, force=chosen.force, dry_run=chosen.dry_run
    )
    async with connect() as client:
        done = await client.snapshots.promote(source, wanted)
    if json:
        output.show(done)
    else:
        changes(done.packages)
        for sentence in done.missing:
            output.say(sentence)
        if done.snapshot is not None:
            tell([done.snapshot])
    return 1 if chosen.dry_run and done.missing else 0


def _with_signatures(files: tuple[Path, ...]) -> list[tuple[Path, bytes | None]]:
    for file in files:
        if not file.is_file():
            raise Invalid(f"{file} is not a file.")
    signatures = {file.with_suffix(""): file for file in files if file.suffix == _SIGNATURE}
    packages = [file for file in files if file.suffix != _SIGNATURE]
    if alone := sorted(signatures.keys() - set(packages)):
        raise Invalid(f"{signatures[alone[0]]} is a signature of {alone[0]}; name that file as well.")
    if not packages:
        raise Invalid("Name at least one package file.")
    return [(file, signatures[file].read_bytes() if file in signatures else None) for file in packages]
