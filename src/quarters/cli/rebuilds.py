"""`quarters rebuilds`: what is built again and becomes visible together, and what would be worth it."""

from typing import Annotated

from cyclopts import App, Parameter

from quarters.cli import output
from quarters.cli.connection import connect, everything
from quarters.cli.output import Json, Repo, Yes
from quarters.protocol.rebuilds import RebuildView

app = App(name="rebuilds")

Number = Annotated[int, Parameter(help="Its number.")]


@app.command(name="list")
async def list_(
    *, repo: Repo = None, limit: Annotated[int, Parameter(help="How many to list.")] = 20, json: Json = False
) -> None:
    """List rebuilds, the newest first."""
    async with connect() as client:
        found = await everything(lambda cursor: client.rebuilds.list(repo, limit=limit, cursor=cursor), limit)
    if json:
        return output.show(found)
    return output.table(
        (">REBUILD", "STATE", "REPOSITORY?", ">BUILDS", "BY?", "BEGUN", "WHY"),
        (
            (
                it.id,
                it.state.value,
                it.repository,
                len(it.builds),
                it.requester,
                output.ago(it.created_at),
                it.why,
            )
            for it in found
        ),
        empty="No rebuild is under way; `quarters rebuild` begins one.",
    )


@app.command
async def suggested(*, repo: Repo = None, json: Json = False) -> None:
    """List what links to libraries that are there no more; `quarters rebuild --suggested` builds it."""
    async with connect() as client:
        found = await client.rebuilds.suggested(repo)
    if json:
        return output.show(found)
    return output.table(
        ("PKGBASE", "REPOSITORY?", "ARCH?", "LINKS TO", "THERE IS", "RECIPE"),
        ((it.pkgbase, it.repository, it.arch, it.library, it.successor, it.recipe) for it in found),
        empty="Everything links to libraries that are there.",
    )


@app.command
async def show(rebuild: Number, /, *, json: Json = False) -> None:
    """Show a rebuild: its builds, and what it waits for."""
    async with connect() as client:
        it = await client.rebuilds.show(rebuild)
    return output.show(it) if json else _tell(it)


@app.command
async def publish(rebuild: Number, /, *, yes: Yes = False, json: Json = False) -> None:
    """Publish what of a rebuild has succeeded, without what has not."""
    if not output.confirmed(f"Publish rebuild {rebuild} without what did not succeed?", yes=yes):
        return None
    async with connect() as client:
        it = await client.rebuilds.publish(rebuild)
    return output.show(it) if json else output.say(f"Rebuild {it.id}: {it.why}")


@app.command
async def drop(rebuild: Number, /, *, yes: Yes = False, json: Json = False) -> None:
    """Give a rebuild up: its builds are cancelled, and nothing of it is published."""
    if not output.confirmed(f"Drop rebuild {rebuild} and all that it has built?", yes=yes):
        return None
    async with connect() as client:
        it = await client.rebuilds.drop(rebuild)
    return output.show(it) if json else output.say(f"Rebuild {it.id}: {it.why}")


def _tell(it: RebuildView) -> None:
    output.facts(
        [
            ("Rebuild", f"{it.id} of {it.repository}"),
            ("State", f"{it.state}  {it.why}"),
            ("Asked for by", it.requester),
            ("Because", it.detail),
            ("Begun", output.ago(it.created_at)),
        ]
    )
    output.say()
    output.table(
        (">BUILD", "STATE", "PKGBASE", "VERSION", "ARCH?"),
        (
            (build.build, output.state(build.state), build.pkgbase, build.version, build.arch)
            for build in it.builds
        ),
    )
