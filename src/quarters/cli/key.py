"""`quarters key`: what packages and indexes are signed with."""

from cyclopts import App

from quarters.cli import output
from quarters.cli.connection import connect
from quarters.cli.output import Json
from quarters.model.errors import Invalid, NotFound

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
