"""`quarters repo`: repositories, and what is in them."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from quarters.cli import output, repo_package, repo_packages, repo_snapshots, repo_transfer, repo_upkeep
from quarters.cli.connection import connect, everything
from quarters.cli.output import Json, Yes
from quarters.model.build import Bump
from quarters.model.errors import Invalid
from quarters.model.repository import Compression, Network, Profile, Rebuilds, Supersede, Upstream
from quarters.protocol.resources import NewRepository, RepositoryChange, RepositoryView

app = App(name="repo")

KeepVersions = Annotated[
    int,
    Parameter(
        help="Keep snapshots that list one of this many newest versions of a package; 0: no such rule."
    ),
]
KeepDays = Annotated[
    int,
    Parameter(
        help="Keep snapshots for so many days after the next one; 0: no such rule. Without a rule all are."
    ),
]

_GRACE = "Hours that packages stay after the recipes that made them left their source."
_COMPRESSION = "Of the index: gzip, which everything reads, or zstd, which is smaller."

_AT_ONCE = "How many of its builds may run at once; 0: any number."
_SUPERSEDE = "A running build when a newer recipe comes: cancel it, or let it finish first."
_REBUILDS = "What to do when a library that others link to goes: build them again with it (auto), tell (suggest), or off."
_BUMP = "How a rebuild raises the pkgrel: minor (1 becomes 1.1), whole (1 becomes 2), or none."


_PROFILE = "What builds are compiled for: x86_64_v2 to x86_64_v4, hardened; can be given more than once."
_MAKEPKG = "File with lines that follow makepkg.conf in its builds."
_PACMAN = "File with lines that its builds have below [options] of pacman.conf, and further repositories."
_ARCH = "Architecture; can be given more than once."
_UPSTREAM = "NAME=SERVER of a repository whose packages may be depended on; SERVER may hold $repo and $arch."
_UPSTREAM_KEY = "NAME=FILE with the ASCII-armoured public keys that the upstream NAME is signed with."
_EACH = "All of them are to be named."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a new repository is for, and how its builds are made."""

    arch: Annotated[tuple[str, ...], Parameter(help=_ARCH)] = ("x86_64",)
    upstream: Annotated[tuple[str, ...], Parameter(help=_UPSTREAM)] = ()
    upstream_key: Annotated[tuple[str, ...], Parameter(help=_UPSTREAM_KEY)] = ()
    description: Annotated[str, Parameter(help="What it is for, in a few words.")] = ""
    checks: Annotated[bool, Parameter(help="Run check() of the recipes.")] = True
    network: Annotated[
        Network,
        Parameter(help="When builds may reach the network: while sources are fetched, always, or never."),
    ] = Network.SOURCES
    timeout: Annotated[int, Parameter(help="Seconds that a build may take at most.")] = 3600
    max_running: Annotated[int, Parameter(help=_AT_ONCE)] = 0
    keep_versions: KeepVersions = 0
    keep_days: KeepDays = 0
    withdrawal_grace: Annotated[int, Parameter(help=_GRACE)] = 0
    compression: Annotated[Compression, Parameter(help=_COMPRESSION)] = Compression.GZIP
    rebuilds: Annotated[Rebuilds, Parameter(help=_REBUILDS)] = Rebuilds.SUGGEST
    supersede_running: Annotated[Supersede, Parameter(help=_SUPERSEDE)] = Supersede.CANCEL
    bump: Annotated[Bump, Parameter(help=_BUMP)] = Bump.MINOR
    profile: Annotated[tuple[Profile, ...], Parameter(help=_PROFILE)] = ()
    makepkg_conf: Annotated[Path | None, Parameter(help=_MAKEPKG)] = None
    pacman_conf: Annotated[Path | None, Parameter(help=_PACMAN)] = None


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
        max_running=chosen.max_running,
        upstreams=_upstreams(chosen.upstream, chosen.upstream_key),
        keep_versions=chosen.keep_versions,
        keep_days=chosen.keep_days,
        withdrawal_grace=chosen.withdrawal_grace,
        compression=chosen.compression,
        rebuilds=chosen.rebuilds,
        supersede_running=chosen.supersede_running,
        bump=chosen.bump,
        profiles=chosen.profile,
        makepkg_conf=_text(chosen.makepkg_conf),
        pacman_conf=_text(chosen.pacman_conf),
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
        ("REPOSITORY", "ARCHITECTURES", ">PACKAGES", ">SNAPSHOT", "PUBLISHED", "DESCRIPTION?"),
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
async def keep(
    name: str,
    /,
    *,
    versions: KeepVersions | None = None,
    days: KeepDays | None = None,
    json: Json = False,
) -> None:
    """Change how many snapshots of a repository are kept; pinned ones always are."""
    async with connect() as client:
        change = RepositoryChange(keep_versions=versions, keep_days=days)
        it = await client.repositories.change(name, change)
    return output.show(it) if json else output.facts([("Repository", it.name), ("Kept", _kept(it))])


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Edits:
    """What of a repository is to change."""

    arch: Annotated[tuple[str, ...] | None, Parameter(help=f"{_ARCH} {_EACH}")] = None
    upstream: Annotated[
        tuple[str, ...] | None, Parameter(negative="--no-upstream", help=f"{_UPSTREAM} {_EACH}")
    ] = None
    upstream_key: Annotated[tuple[str, ...], Parameter(help=_UPSTREAM_KEY)] = ()
    description: Annotated[str | None, Parameter(help="What it is for, in a few words.")] = None
    checks: Annotated[bool | None, Parameter(help="Run check() of the recipes.")] = None
    network: Annotated[Network | None, Parameter(help="When builds may reach the network.")] = None
    timeout: Annotated[int | None, Parameter(help="Seconds that a build may take at most.")] = None
    max_running: Annotated[int | None, Parameter(help=_AT_ONCE)] = None
    withdrawal_grace: Annotated[int | None, Parameter(help=_GRACE)] = None
    compression: Annotated[Compression | None, Parameter(help=_COMPRESSION)] = None
    rebuilds: Annotated[Rebuilds | None, Parameter(help=_REBUILDS)] = None
    supersede_running: Annotated[Supersede | None, Parameter(help=_SUPERSEDE)] = None
    bump: Annotated[Bump | None, Parameter(help=_BUMP)] = None
    profile: Annotated[
        tuple[Profile, ...] | None, Parameter(negative="--no-profile", help=f"{_PROFILE} {_EACH}")
    ] = None
    makepkg_conf: Annotated[Path | None, Parameter(help=f"{_MAKEPKG} /dev/null takes them away.")] = None
    pacman_conf: Annotated[Path | None, Parameter(help=f"{_PACMAN} /dev/null takes them away.")] = None


@app.command
async def edit(name: str, /, *, edits: Edits | None = None, json: Json = False) -> None:
    """Change a repository; what is not given stays."""
    given = asdict(edits or Edits())
    arches, servers, keys = (given.pop(field) for field in ("arch", "upstream", "upstream_key"))
    upstreams = None if servers is None and not keys else _upstreams(servers or (), keys)
    profiles = given.pop("profile")
    for field in ("makepkg_conf", "pacman_conf"):
        given[field] = None if given[field] is None else _text(given[field])
    change = RepositoryChange(arches=arches, upstreams=upstreams, profiles=profiles, **given)
    if change == RepositoryChange():
        raise Invalid("Say what to change, such as --compression zstd.")
    async with connect() as client:
        it = await client.repositories.change(name, change)
    return output.show(it) if json else output.facts(_facts(it))


@app.command
async def delete(name: str, /, *, yes: Yes = False, json: Json = False) -> None:
    """Delete a repository that nothing belongs to any more."""
    if not output.confirmed(f"Delete the repository {name}?", yes=yes):
        return
    async with connect() as client:
        await client.repositories.delete(name)
    output.gone(name, f"Repository {name} is deleted.", json=json)


app.command(repo_packages.packages)
app.command(repo_package.package)
app.command(repo_packages.publish)
app.command(repo_packages.remove)
app.command(repo_packages.promote)
app.command(repo_snapshots.snapshots)
app.command(repo_snapshots.diff)
app.command(repo_snapshots.pin)
app.command(repo_snapshots.unpin)
app.command(repo_snapshots.rollback)
app.command(repo_transfer.import_, name="import")
app.command(repo_transfer.export)
app.command(repo_upkeep.clean)
app.command(repo_upkeep.check)


def pacman_conf(name: str, url: str) -> str:
    """The lines for pacman.conf(5) that make a machine install from the repository."""
    return f"[{name}]\nSigLevel = Required DatabaseRequired\nServer = {url}/repo/$repo/$arch"


def _upstreams(servers: tuple[str, ...], keys: tuple[str, ...]) -> tuple[Upstream, ...]:
    files = dict(_pair(text, "NAME=FILE, such as core=archlinux.asc") for text in keys)
    pairs = [
        _pair(text, "NAME=SERVER, such as core=https://mirror.example/$repo/os/$arch") for text in servers
    ]
    if strange := sorted(files.keys() - dict(pairs).keys()):
        raise Invalid(f"There is a key for {strange[0]}, but no --upstream of that name.")
    return tuple(Upstream(name, server, key=_armoured(files.get(name))) for name, server in pairs)


def _pair(text: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise Invalid(f"{text!r} is not {form}.")
    return name, value


def _text(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise Invalid(f"{path} is no text.") from None


def _armoured(path: str | None) -> str:
    if path is None:
        return ""
    try:
        text = Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII-armoured"
        raise Invalid(f"{path} cannot be read: {reason}.") from error
    if "-----BEGIN PGP PUBLIC KEY BLOCK-----" not in text:
        raise Invalid(f"{path} holds no ASCII-armoured public key; `gpg --armor --export` writes one.")
    return text


def _facts(it: RepositoryView) -> list[tuple[str, object]]:
    snapshot = it.snapshot
    return [
        ("Repository", it.name),
        ("Description", it.description),
        ("Format", it.format),
        ("Architectures", it.arches),
        ("Compression", it.compression.value),
        ("Rebuilds", it.rebuilds.value),
        ("Newer recipe", f"{it.supersede_running} a running build"),
        ("Bump", it.bump.value),
        ("Packages", snapshot.packages if snapshot else 0),
        ("Snapshot", f"{snapshot.number}, {output.ago(snapshot.created_at)}" if snapshot else None),
        ("Signed by", it.key),
        ("Checks", it.checks),
        ("Network", it.network.value),
        ("Time limit", output.duration(it.timeout)),
        ("At once", output.at_once(it.max_running)),
        ("Kept", _kept(it)),
        ("Profiles", tuple(profile.value for profile in it.profiles)),
        ("makepkg.conf", it.makepkg_conf.strip()),
        ("pacman.conf", it.pacman_conf.strip()),
        ("Upstreams", tuple(upstream.name for upstream in it.upstreams)),
    ]


def _kept(it: RepositoryView) -> str:
    rules = [f"{it.keep_versions} newest versions"] if it.keep_versions else []
    rules += [f"{it.keep_days} days"] if it.keep_days else []
    return f"{' and '.join(rules)}, and pinned snapshots" if rules else "all snapshots"
