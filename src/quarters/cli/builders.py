"""`quarters builders`: the machines that build, as the server knows them."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from quarters.cli import output
from quarters.cli.connection import connect, everything
from quarters.cli.output import Json, Yes

if TYPE_CHECKING:
    from quarters.protocol.resources import BuilderView

app = App(name="builders")

Name = Annotated[str, Parameter(help="The builder's name.")]


@app.command(name="list")
async def list_(*, json: Json = False) -> None:
    """List the builders."""
    async with connect() as client:
        found = await everything(lambda cursor: client.builders.list(cursor=cursor))
    if json:
        return output.show(found)
    return output.table(
        (
            "BUILDER",
            "STATE",
            "ARCHITECTURES",
            ">CLASS?",
            ">SLOTS",
            ">MEMORY?",
            "BUILDING",
            "SEEN",
            "EXECUTOR?",
        ),
        (
            (
                it.name,
                _standing(it),
                it.arches,
                it.build_class,
                it.slots,
                _amount(it.memory),
                it.running,
                output.ago(it.last_seen),
                it.executor,
            )
            for it in found
        ),
        empty="No builder is connected; start one with `quarters builder`.",
    )


@app.command
async def show(name: Name, /, *, json: Json = False) -> None:
    """Show a builder."""
    async with connect() as client:
        it = await client.builders.show(name)
    return output.show(it) if json else _tell(it)


@app.command
async def drain(name: Name, /, *, json: Json = False) -> None:
    """Let a builder finish what it has, and give it nothing new."""
    async with connect() as client:
        it = await client.builders.drain(name)
    return output.show(it) if json else output.say(f"Builder {name} gets no new builds.")


@app.command
async def disable(name: Name, /, *, json: Json = False) -> None:
    """Give a builder nothing new, and what it is building to others at once."""
    async with connect() as client:
        it = await client.builders.disable(name)
    if json:
        return output.show(it)
    return output.say(f"Builder {name} gets no new builds, and has lost those that it had.")


@app.command
async def enable(name: Name, /, *, json: Json = False) -> None:
    """Give a builder work again."""
    async with connect() as client:
        it = await client.builders.enable(name)
    return output.show(it) if json else output.say(f"Builder {name} gets builds again.")


@app.command
async def remove(name: Name, /, *, yes: Yes = False, json: Json = False) -> None:
    """Forget a builder; it comes back when it asks for work again."""
    if not output.confirmed(f"Forget the builder {name}?", yes=yes):
        return
    async with connect() as client:
        await client.builders.remove(name)
    output.gone(name, f"Builder {name} is forgotten.", json=json)


def _standing(it: "BuilderView") -> str:
    state = f"quarantined until {it.quarantined_until:%H:%M} UTC" if _is_quarantined(it) else it.state.value
    return state if it.alive else f"{state}, silent"


def _is_quarantined(it: "BuilderView") -> bool:
    return it.quarantined_until is not None and it.quarantined_until > datetime.now(UTC)


def _quarantine(it: "BuilderView") -> str | None:
    if not _is_quarantined(it):
        return None
    return (
        f"until {it.quarantined_until:%Y-%m-%d %H:%M:%S} UTC, since it failed what others build; "
        f"`quarters builders enable {it.name}` ends it"
    )


def _amount(count: int) -> str | None:
    return output.size(count) if count else None


def _tell(it: "BuilderView") -> None:
    output.facts(
        [
            ("Builder", it.name),
            ("State", _standing(it)),
            ("Architectures", it.arches),
            ("Quarantine", _quarantine(it)),
            ("Class", it.build_class),
            ("Slots", it.slots),
            ("Memory", _amount(it.memory)),
            ("Disk", _amount(it.disk)),
            ("Building", it.running),
            ("Last seen", output.ago(it.last_seen)),
            ("Executor", it.executor),
            ("Quarters", it.version),
        ]
    )
