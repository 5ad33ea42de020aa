"""`quarters repo`: repositories, and what is in them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from quarters.cli import output
from quarters.cli.connection import connect, everything
from quarters.cli.output import Arch, Json, Yes
from quarters.model.errors import Invalid
from quarters.model.repository import Network, Snapshot, Upstream
from quarters.protocol.resources import NewRepository, Promotion, RepositoryView

if TYPE_CHECKING:
    from quarters.protocol.client import Client

app = App(name="repo")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a new repository is for, and how its builds are made."""

    arch: Annotated[tuple[str, ...], Parameter(help="Architecture; can be given more than once.")] = (
        "x86_64",
    )
    upstream: Annotated[
        tuple[str, ...],
        Parameter(
            help="NAME=SERVER of a repository whose packages may be depended on; SERVER may hold $repo and $arch."
        ),
    ] = ()
    description: Annotated[str, Parameter(help="What it is for, in a few words.")] = ""
    checks: Annotated[bool, Parameter(help="Run check() of the recipes.")] = True
    network: Annotated[
        Network,
        Parameter(help="When builds may reach the network: while sources are fetched, always, or never."),
    ] = Network.SOURCES
    timeout: Annotated[int, Parameter(help="Seconds that a build may take at most.")] = 3600


@app.command
async def create(name: str, /, *, policy: Policy | None = None, json: Json = False) -> None:
    """Create a repository; what it publishes is signed with the key that the server uses."""
    chosen = policy or Policy()
    new = NewRepository(
        name=name,
        arches=chosen.arch,
        description=chosen.description,
        checks=chosen.checks,
        network=chosen.network,
        timeout=chosen.timeout,
        upstreams=tuple(map(_upstream, chosen.upstream)),
    )
    async with connect() as client:
        made = await client.repositories.create(new)
        if json:
            return output.show(made)
        output.say(f"Repository {made.name} is made. Clients add to /etc/pacman.conf:")
        output.say()
        output.say(pacman_conf(made.name, client.url))
    return None


@app.command(name="list")
async def list_(*, json: Json = False) -> None:
    """List the repositories."""
    async with connect() as client:
        found = await everything(lambda cursor: client.repositories.list(cursor=cursor))
    if json:
        return output.show(found)
    return output.table(
        ("REPOSITORY", "ARCHITECTURES", ">PACKAGES", ">SNAPSHOT", "PUBLISHED", "DESCRIPTION"),
        (
            (
                it.name,
                it.arches,
                it.snapshot.packages if it.snapshot else 0,
                it.snapshot.number if it.snapshot else None,
                output.ago(it.snapshot.created_at if it.snapshot else None),
                it.description,
            )
            for it in found
        ),
        empty="There is no repository; make one with `quarters repo create NAME`.",
    )


@app.command
async def show(name: str, /, *, json: Json = False) -> None:
    """Show a repository and the lines for pacman.conf."""
    async with connect() as client:
        it = await client.repositories.show(name)
        if json:
            return output.show(it)
        output.facts(_facts(it))
        output.say()
        output.say(pacman_conf(it.name, client.url))
    return None


@app.command
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
        ("PACKAGE", "VERSION", "ARCH", ">SIZE", "ADDED", ">BUILD", "PACKAGER"),
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


@app.command
async def publish(name: str, /, *files: Path, json: Json = False) -> None:
    """Upload package files; clients can install them at once."""
    if not files:
        raise Invalid("Name at least one package file.")
    for file in files:
        if not file.is_file():
            raise Invalid(f"{file} is not a file.")
    async with connect() as client:
        added = [await client.repositories.publish(name, file) for file in files]
    if json:
        return output.show(added)
    for it in added:
        output.say(f"{it.name} {it.version} ({it.arch}) is published in {it.repository}.")
    return None


@app.command
async def remove(
    name: str, /, *packages: str, arch: Arch = None, yes: Yes = False, json: Json = False
) -> None:
    """Take packages out of the index; older snapshots keep them."""
    if not packages:
        raise Invalid("Name at least one package to remove.")
    async with connect() as client:
        arches = (arch,) if arch else (await client.repositories.show(name)).arches
        places = [
            (place, package) for package in packages for place in await _arches(client, name, package, arches)
        ]
        if not output.confirmed(f"Remove {', '.join(packages)} from {name}?", yes=yes):
            return None
        made = [await client.repositories.remove(name, place, package) for place, package in places]
    return output.show(made) if json else _tell(made)


@app.command
async def snapshots(
    name: str, /, *, limit: Annotated[int, Parameter(help="How many to list.")] = 20, json: Json = False
) -> None:
    """List what a repository held at each publish, the newest first."""
    async with connect() as client:
        found = await everything(
            lambda cursor: client.repositories.snapshots(name, limit=limit, cursor=cursor), limit
        )
    if json:
        return output.show(found)
    return output.table(
        (">SNAPSHOT", "MADE", ">PACKAGES", "BY", "NOTE"),
        ((it.number, output.ago(it.created_at), it.packages, it.actor, it.note) for it in found),
        empty=f"Nothing was published in {name} yet.",
    )


@app.command
async def rollback(name: str, snapshot: int, /, *, yes: Yes = False, json: Json = False) -> None:
    """Serve again what a snapshot held; this makes a new snapshot."""
    if not output.confirmed(f"Let {name} hold again what snapshot {snapshot} held?", yes=yes):
        return None
    async with connect() as client:
        made = await client.repositories.rollback(name, snapshot)
    return output.show(made) if json else _tell([made])


@app.command
async def promote(name: str, target: str, /, *packages: str, arch: Arch = None, json: Json = False) -> None:
    """List packages of one repository in another one too; all of them where none is named."""
    async with connect() as client:
        made = await client.repositories.promote(name, Promotion(target=target, packages=packages, arch=arch))
    return output.show(made) if json else _tell([made])


@app.command
async def delete(name: str, /, *, yes: Yes = False) -> None:
    """Delete a repository that nothing belongs to any more."""
    if not output.confirmed(f"Delete the repository {name}?", yes=yes):
        return
    async with connect() as client:
        await client.repositories.delete(name)
    output.say(f"Repository {name} is deleted.")


def pacman_conf(name: str, url: str) -> str:
    """The lines for pacman.conf(5) that make a machine install from the repository."""
    return f"[{name}]\nSigLevel = Required DatabaseRequired\nServer = {url}/repo/$repo/$arch"


def _upstream(text: str) -> Upstream:
    name, equals, server = text.partition("=")
    if not (name and equals and server):
        raise Invalid(f"{text!r} is not NAME=SERVER, such as core=https://mirror.example/$repo/os/$arch.")
    return Upstream(name, server)


async def _arches(client: "Client", name: str, package: str, arches: tuple[str, ...]) -> list[str]:
    """Those of `arches` that list the package; NotFound if none does."""
    found = await everything(lambda cursor: client.repositories.packages(name, query=package, cursor=cursor))
    listed = {it.arch for it in found if it.name == package}
    # An `any` package is in the index of every architecture.
    return [arch for arch in arches if arch in listed or "any" in listed] or list(arches[:1])


def _facts(it: RepositoryView) -> list[tuple[str, object]]:
    snapshot = it.snapshot
    return [
        ("Repository", it.name),
        ("Description", it.description),
        ("Format", it.format),
        ("Architectures", it.arches),
        ("Packages", snapshot.packages if snapshot else 0),
        ("Snapshot", f"{snapshot.number}, {output.ago(snapshot.created_at)}" if snapshot else None),
        ("Signed by", it.key),
        ("Checks", it.checks),
        ("Network", it.network.value),
        ("Time limit", output.duration(it.timeout)),
        ("Upstreams", tuple(upstream.name for upstream in it.upstreams)),
    ]


def _tell(made: list[Snapshot]) -> None:
    for it in made:
        what = f": {it.note}" if it.note else ""
        output.say(f"{it.repository} is now at snapshot {it.number} with {it.packages} packages{what}.")
