"""`quarters aur`: packages of the Arch User Repository, found and followed."""

from typing import Annotated

from cyclopts import App, Parameter

from quarters.cli import output
from quarters.cli.connection import connect, only_repository
from quarters.cli.output import DryRun, Json, Yes
from quarters.protocol.aur import AurAdded, AurWish

app = App(name="aur")


@app.command
async def search(
    words: Annotated[str, Parameter(help="Part of a name or description.")], /, *, json: Json = False
) -> None:
    """Search the AUR; the most voted for come first."""
    async with connect() as client:
        found = await client.aur.search(words)
    if json:
        return output.show(found)
    return output.table(
        ("PACKAGE", "VERSION", ">VOTES", "MAINTAINER?", "OUTDATED?", "CHANGED?", "DESCRIPTION?"),
        (
            (
                it.name,
                it.version,
                it.votes,
                it.maintainer or "orphan",
                output.ago(it.outdated_since) if it.outdated_since else None,
                output.ago(it.modified_at),
                it.description,
            )
            for it in found
        ),
        empty=f"The AUR has nothing that matches {words!r}.",
    )


@app.command
async def add(
    *packages: Annotated[str, Parameter(help="Names of packages of the AUR.")],
    repo: output.Repo = None,
    source: Annotated[
        str, Parameter(help="The source that is to follow them; made where it is missing.")
    ] = "aur",
    dependencies: Annotated[bool, Parameter(help="Also follow what they need and nothing else has.")] = True,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> int | None:
    """Show what would be followed, dependencies included, ask, and do it; what is new is then built."""
    async with connect() as client:
        wish = AurWish(
            packages=packages,
            repository=repo or await only_repository(client),
            source=source,
            dependencies=dependencies,
            dry_run=True,
        )
        found = await client.aur.add(wish)
        if not json:
            _describe(found, source)
        elif dry_run or not found.additions:
            output.show(found)
        if dry_run or not found.additions:
            return None
        if not output.confirmed(f"Follow {_count(len(found.additions))}?", yes=yes or json):
            return 1
        names = tuple(it.name for it in found.additions)
        done = await client.aur.add(
            AurWish(packages=names, repository=wish.repository, source=source, dependencies=dependencies)
        )
    if json:
        output.show(done)
        return None
    output.say(
        f"The source {source} follows {_count(len(names))} more; see `quarters source show {source}` and "
        "`quarters builds watch`."
    )
    return None


def _describe(found: AurAdded, source: str) -> None:
    if found.already:
        output.say(f"The source {source} follows already: {', '.join(found.already)}.")
    output.table(
        ("PACKAGE", "VERSION", "FOR", "MAINTAINER?", "OUTDATED?", ">VOTES?", "CHANGED?"),
        (
            (
                it.name,
                it.version,
                it.needed_by or "you",
                it.maintainer or "orphan",
                output.ago(it.outdated_since) if it.outdated_since else None,
                it.votes,
                output.ago(it.modified_at),
            )
            for it in found.additions
        ),
        empty="There is nothing to add.",
    )
    for need, package in found.unresolved:
        output.say(f"{package} needs {need}, which nothing known provides; it will wait for that.")


def _count(packages: int) -> str:
    return "1 package" if packages == 1 else f"{packages} packages"
