"""`quarters key`: what packages and indexes are signed with."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from quarters.cli import output
from quarters.cli.connection import connect
from quarters.cli.output import Json, Yes
from quarters.cli.running import ConfigFile, Data, settings
from quarters.model.errors import Invalid, NotFound
from quarters.protocol.resources import KeyState, KeyView, RepositoryChange, RepositoryView

if TYPE_CHECKING:
    from quarters.publishing.keys import KeyRing

app = App(name="key")

_SOON = 60 * 86_400


@app.command(name="list")
async def list_(*, json: Json = False) -> None:
    """List the keys that repositories are signed with."""
    async with connect() as client:
        found = (await client.keys.list()).items
    if json:
        return output.show(found)
    return output.table(
        ("KEY", "STATE", "FINGERPRINT", "OWNER", "CREATED", "EXPIRES", "SIGNED BY"),
        (
            (
                it.name,
                it.state,
                it.fingerprint,
                it.user_id,
                f"{it.created_at:%Y-%m-%d}",
                _expiry(it),
                None if it.state is KeyState.RETIRED else it.signer,
            )
            for it in found
        ),
        empty="There is no key; creating a repository makes one.",
    )


@app.command
async def export(name: str | None = None, /, *, json: Json = False) -> None:
    """Print a public key, by default of the key that signs, in the form that `pacman-key --add` takes."""
    async with connect() as client:
        if name is None:
            found = (await client.keys.list()).items
            if not found:
                raise NotFound("There is no key; creating a repository makes one.")
            key = next((it for it in found if it.state is KeyState.SIGNING), found[0])
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
    days: Annotated[
        int | None, Parameter(help="After how many days it expires; by default never. It can be extended.")
    ] = None,
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Make a key in the data folder of a server on this machine."""
    _told(_keys(data, config).create(name, user_id, days), json=json)


@app.command(name="import")
def import_(
    name: str,
    file: Path,
    /,
    *,
    signer: Annotated[
        Literal["file", "gpg", "command"],
        Parameter(help="What signs: the secret key in FILE, or gpg or a command, FILE being the public key."),
    ] = "file",
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Add an armoured key to the data folder of a server on this machine; a secret never travels."""
    from quarters.publishing.signing.folder import Kind

    _told(_keys(data, config).add(name, _read(file), Kind(signer)), json=json)


@app.command
async def use(name: str, /, *, yes: Yes = False, json: Json = False) -> None:
    """Let a key sign packages and indexes from now on; clients need it in their keyrings before."""
    if not output.confirmed(f"Do all clients know the key {name} by now?", yes=yes):
        return None
    async with connect() as client:
        key = await client.keys.use(name)
    return output.show(key) if json else output.say(f"Key {key.name} ({key.fingerprint}) signs now.")


@app.command
async def extend(
    name: str, /, *, days: Annotated[int, Parameter(help="How long it lasts from today.")], json: Json = False
) -> None:
    """Let a key expire later; clients have to get its new form before the old one expires."""
    async with connect() as client:
        key = await client.keys.extend(name, days)
    if json:
        return output.show(key)
    return output.say(
        f"Key {key.name} expires on {key.expires_at:%Y-%m-%d}. Give it to your users: `quarters key keyring`."
    )


@app.command
async def retire(
    name: str,
    /,
    *,
    revoke: Annotated[bool, Parameter(negative=(), help="It may have fallen into other hands.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Never sign with a key again, and tell clients to trust it no more; its secret is deleted."""
    if not output.confirmed(f"Delete the secret of {name} for good?", yes=yes):
        return None
    async with connect() as client:
        key = await client.keys.retire(name, revoke=revoke)
    if json:
        return output.show(key)
    return output.say(f"Key {key.name} is retired. Tell your users' machines: `quarters key keyring`.")


@app.command
async def keyring(
    repository: str,
    /,
    *,
    publish: Annotated[
        bool, Parameter(negative=(), help="Publish the package in the repository itself.")
    ] = False,
    folder: Annotated[Path, Parameter(help="Where to write the package otherwise.")] = Path(),
    json: Json = False,
) -> None:
    """Make a package of all keys that clients have to trust; installing it makes pacman trust them."""
    async with connect() as client:
        if publish:
            made = await client.keys.publish_keyring(repository)
            if json:
                return output.show(made)
            return output.say(f"{made.name} {made.version} is published in {made.repository}.")
        name, content = await client.keys.keyring_package(repository)
    path = folder / Path(name).name
    try:
        path.write_bytes(content)
    except OSError as error:
        raise Invalid(f"{path} cannot be written: {error.strerror}.") from error
    return output.show({"file": str(path)}) if json else output.say(f"{path} is written.")


@app.command
async def trust(repository: str, file: Path, /, *, json: Json = False) -> None:
    """Let the owner of an armoured public key sign what is uploaded to a repository."""
    async with connect() as client:
        changed = await client.keys.trust(repository, _read(file))
    return output.show(changed) if json else _tell_trust(changed)


@app.command
async def distrust(repository: str, fingerprint: str, /, *, json: Json = False) -> None:
    """Trust a key for uploads no more."""
    async with connect() as client:
        changed = await client.keys.distrust(repository, fingerprint)
    return output.show(changed) if json else _tell_trust(changed)


@app.command
async def policy(
    repository: str,
    /,
    *,
    require_signature: Annotated[
        bool | None, Parameter(help="Take only uploads that are signed by a trusted key.")
    ] = None,
    require_builder_signature: Annotated[
        bool | None, Parameter(help="Take what builders made only if it is signed by a trusted key as well.")
    ] = None,
    keep_signatures: Annotated[
        bool | None, Parameter(help="Give clients the uploader's signature instead of the server's.")
    ] = None,
    json: Json = False,
) -> None:
    """Show or change whose signatures a repository wants and serves."""
    change = RepositoryChange(
        require_signature=require_signature,
        require_builder_signature=require_builder_signature,
        keep_signatures=keep_signatures,
    )
    async with connect() as client:
        changed = await client.repositories.change(repository, change)
    return output.show(changed) if json else _tell_trust(changed)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} cannot be read as an armoured key: {error}.") from error


def _expiry(key: KeyView) -> str:
    if key.expires_at is None or key.state is KeyState.RETIRED:
        return "never" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d}"
    left = (key.expires_at - datetime.now(UTC)).total_seconds()
    soon = f" (in {output.duration(left)}!)" if 0 < left < _SOON else " (expired!)" if left <= 0 else ""
    return f"{key.expires_at:%Y-%m-%d}{soon}"


def _tell_trust(repository: RepositoryView) -> None:
    output.facts(
        [
            ("Repository", repository.name),
            ("Trusted for uploads", tuple(repository.trusted_keys)),
            ("Unsigned uploads", "refused" if repository.require_signature else "taken"),
            ("Unsigned builds", "refused" if repository.require_builder_signature else "taken"),
            (
                "Clients get signatures by",
                "the uploader, if any" if repository.keep_signatures else "this server",
            ),
        ]
    )


def _keys(data: Path | None, config: Path | None) -> "KeyRing":
    from quarters.wiring.keys import keyring

    return keyring(settings(config, storage={"data": data}))


def _told(key: KeyView, *, json: bool) -> None:
    if json:
        return output.show(key)
    output.say(
        f"Key {key.name} is {key.fingerprint}. It is in the keyring from now on; give that to your users, and when "
        f"they have it, let the key sign with `quarters key use {key.name}`."
    )
    return None
