"""`quarters repo snapshots|diff|pin|unpin|rollback`: what a repository held at each publish."""

from collections.abc import Iterable
from typing import Annotated

from cyclopts import Parameter

from quarters.cli import output
from quarters.cli.connection import connect, everything
from quarters.cli.output import Json, Yes
from quarters.model.repository import Snapshot
from quarters.protocol.snapshots import Changed


async def snapshots(
    name: str, /, *, limit: Annotated[int, Parameter(help="How many to list.")] = 20, json: Json = False
) -> None:
    """List what a repository held at each publish, the newest first."""
    async with connect() as client:
        found = await everything(
            lambda cursor: client.snapshots.list(name, limit=limit, cursor=cursor), limit
        )
    if json:
        return output.show(found)
    return output.table(
        (">SNAPSHOT", "MADE", ">PACKAGES", "BY?", "NOTE", "PINS"),
        ((it.number, output.ago(it.created_at), it.packages, it.actor, it.note, it.pins) for it in found),
        empty=f"Nothing was published in {name} yet.",
    )


async def diff(name: str, before: str, after: str, /, *, json: Json = False) -> None:
    """Show what was added, removed and changed between two snapshots: numbers, dates, times or pins."""
    async with connect() as client:
        found = await client.snapshots.difference(name, before, after)
    if json:
        return output.show(found)
    return changes([*found.added, *found.removed, *found.changed], empty="They list the same.")


async def pin(name: str, snapshot: str, pin: str, /, *, json: Json = False) -> None:
    """Give a snapshot a name, under which it is served and for whose sake it is kept."""
    async with connect() as client:
        made = await client.snapshots.pin(name, snapshot, pin)
        if json:
            return output.show(made)
        address = f"{client.url}/repo/{name}@{made.name}/$arch"
        output.say(f"Snapshot {made.number} of {name} is pinned as {made.name}: Server = {address}")
    return None


async def unpin(name: str, pin: str, /, *, json: Json = False) -> None:
    """Forget the name of a snapshot; the snapshot stays until it expires."""
    async with connect() as client:
        await client.snapshots.unpin(name, pin)
    output.gone(pin, f"{pin} names no snapshot of {name} any more.", json=json)


async def rollback(name: str, snapshot: str, /, *, yes: Yes = False, json: Json = False) -> None:
    """Serve again what a snapshot (number, date, time or pin) held; this makes a new snapshot."""
    if not output.confirmed(f"Let {name} hold again what snapshot {snapshot} held?", yes=yes):
        return None
    async with connect() as client:
        made = await client.snapshots.rollback(name, snapshot)
    if json:
        return output.show(made)
    tell([made])
    output.say("What was taken back is built again when its recipe changes, or for `quarters build`.")
    return None


def changes(found: Iterable[Changed], *, empty: str = "") -> None:
    """Show packages with the versions on both sides."""
    output.table(
        ("PACKAGE", "ARCH", "BEFORE", "AFTER"),
        ((it.name, it.arch, it.before, it.after) for it in found),
        empty=empty,
    )


def tell(made: Iterable[Snapshot]) -> None:
    """Say where repositories stand now."""
    for it in made:
        what = f": {it.note}" if it.note else ""
        output.say(f"{it.repository} is now at snapshot {it.number} with {it.packages} packages{what}.")
