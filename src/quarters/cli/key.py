"""`quarters key`: what packages and indexes are signed with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from quarters.cli import output
from quarters.cli.connection import connect
from quarters.cli.output import Json
from quarters.cli.running import ConfigFile, Data, settings
from quarters.model.errors import Invalid, NotFound
from quarters.protocol.resources import KeyView

if TYPE_CHECKING:
    from quarters.publishing.keys import KeyRing

app = App(name="key")


@app.command(name="list")
async def list_(*, json: Json = False) -> None:
    """List the keys that repositories are signed with."""
    async with connect() as client:
        found = (await client.keys.list()).items
    if json:
        return output.show(found)
    return output.table(
        ("KEY", "FINGERPRINT", "OWNER", "CREATED", "EXPIRES"),
        (
            (it.name, it.fingerprint, it.user_id, f"{it.created_at:%Y-%m-%d}", it.expires_at or "never")
            for it in found
        ),
        empty="There is no key; creating a repository makes one.",
    )


@app.command
async def export(name: str | None = None, /, *, json: Json = False) -> None:
    """Print a public key in the form that `pacman-key --add` takes."""
    async with connect() as client:
        if name is None:
            found = (await client.keys.list()).items
            if not found:
                raise NotFound("There is no key; creating a repository makes one.")
            if len(found) > 1:
                raise Invalid(f"Name one of the keys: {', '.join(it.name for it in found)}.")
            key = found[0]
        else:
            key = await client.keys.show(name)
    return output.show(key) if json else print(key.armored.rstrip("\n"))


@app.command
def create(
    name: str,
    /,
    *,
    user_id: Annotated[
        str, Parameter(help="What it is called in clients' keyrings.")
    ] = "Quarters package signing",
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Make a key in the data folder of a server on this machine."""
    _told(_keys(data, config).create(name, user_id), json=json)


@app.command(name="import")
def import_(
    name: str, file: Path, /, *, data: Data = None, config: ConfigFile = None, json: Json = False
) -> None:
    """Add an armoured secret key to the data folder of a server on this machine; it never travels."""
    try:
        armoured = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} cannot be read as an armoured key: {error}.") from error
    _told(_keys(data, config).add(name, armoured), json=json)


def _keys(data: Path | None, config: Path | None) -> "KeyRing":
    from quarters.wiring.keys import keyring

    return keyring(settings(config, storage={"data": data}))


def _told(key: KeyView, *, json: bool) -> None:
    if json:
        return output.show(key)
    output.say(
        f"Key {key.name} is {key.fingerprint}. To sign with it, set publishing.key and start the server anew."
    )
    return None
