"""`quarters source`: where recipes come from."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from quarters.cli import output, source_forge, source_tree, source_updates
from quarters.cli.connection import connect, everything, only_repository
from quarters.cli.output import Json, Yes
from quarters.model.commit import Commit
from quarters.model.errors import Invalid
from quarters.model.review import Level, ReviewState
from quarters.model.schedule import ScheduleEntry
from quarters.model.source import Source
from quarters.protocol.resources import NewSchedule, NewSource, SourceChange
from quarters.protocol.reviews import ReviewFilter

if TYPE_CHECKING:
    from quarters.protocol.client import Client

app = App(name="source")

Name = Annotated[str, Parameter(help="Name of the source.")]
_AT_ONCE = "How many of its builds may run at once; 0: any number."
_REVIEW = (
    "Which changes of its recipes wait for `quarters review`: off, major or all; by default major for aur and url, and "
    "off for what is one's own."
)
_UPDATES = "Which changes that come from upstreams of a tree's recipes wait for `quarters review`: off, major or all."
_PRERELEASES = "Whether tags such as v2.0-rc1 count as versions (kind gitlab)."
_TRUST = "An account at the AUR whose major changes need no review; may be given again."
_COOLDOWN = "Hours for which a change waits before it passes without a look; 0: none."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Following:
    """How a new source is followed."""

    kind: Annotated[
        str,
        Parameter(
            help="tree: a git repository with a folder per recipe; git: a repository (or --path in it) that is one; "
            "gitlab: one in a project, at its newest tag; nvchecker: one whose versions nvchecker tells; "
            "svn: a Subversion tree with a folder per recipe; url: a PKGBUILD; aur: --package by name."
        ),
    ] = "tree"
    branch: Annotated[str, Parameter(help="Branch to follow; without it, the default one.")] = ""
    path: Annotated[
        str,
        Parameter(
            help="git, gitlab, nvchecker: the recipe's folder; svn: where in each folder the recipe is."
        ),
    ] = ""
    package: Annotated[
        tuple[str, ...], Parameter(help="A package to follow (kind aur); may be given again.")
    ] = ()
    dependencies: Annotated[
        bool,
        Parameter(help="Follow also what recipes of the repository need and nothing else has (kind aur)."),
    ] = False
    prereleases: Annotated[bool, Parameter(help=_PRERELEASES)] = False
    automatic: Annotated[bool, Parameter(help="Build what is outdated without being asked.")] = True
    max_running: Annotated[int, Parameter(help=_AT_ONCE)] = 0
    review: Annotated[Level | None, Parameter(help=_REVIEW)] = None
    update_review: Annotated[Level, Parameter(help=_UPDATES)] = Level.MAJOR
    trust: Annotated[tuple[str, ...], Parameter(help=_TRUST)] = ()
    cooldown: Annotated[int, Parameter(help=_COOLDOWN)] = 0


@app.command
async def add(
    name: Name,
    location: Annotated[
        str, Parameter(help="What its kind takes; for a tree, anything that `git clone` takes.")
    ],
    /,
    *,
    repo: output.Repo = None,
    following: Following | None = None,
    json: Json = False,
) -> None:
    """Add a source; its recipes are read at once."""
    how = following or Following()
    async with connect() as client:
        repository = repo or await only_repository(client)
        made = await client.sources.create(
            NewSource(
                name=name,
                location=_absolute(location),
                repository=repository,
                kind=how.kind,
                branch=how.branch,
                path=how.path,
                packages=how.package,
                dependencies=how.dependencies,
                prereleases=how.prereleases,
                automatic=how.automatic,
                max_running=how.max_running,
                review=how.review,
                update_review=how.update_review,
                trusted=how.trust,
                cooldown=how.cooldown,
            )
        )
    if json:
        return output.show(made)
    output.say(f"Source {made.name} is added to {made.repository}; its recipes are being read.")
    if made.automatic:
        output.say("What is outdated will be built; see `quarters builds watch`.")
    return None


Timezone = Annotated[str, Parameter(help="Whose clock counts, such as Europe/Brussels.")]
_OFF = "off"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Clock:
    """When a source is looked at and built by the clock."""

    schedule: Annotated[
        str | None,
        Parameter(
            help="When to sync it and build what is outdated or has a pkgver(): '0 3', @daily; `off` ends it."
        ),
    ] = None
    timezone: Timezone = "UTC"


@app.command(name="list")
async def list_(*, json: Json = False) -> None:
    """List the sources."""
    async with connect() as client:
        found = await everything(lambda cursor: client.sources.list(cursor=cursor))
    if json:
        return output.show(found)
    return output.table(
        ("SOURCE", "KIND?", "REPOSITORY?", ">RECIPES", ">UNREADABLE", "SYNCED", "STATE", "LOCATION?"),
        (
            (
                it.name,
                it.kind,
                it.repository,
                it.recipes,
                it.unreadable,
                output.ago(it.synced_at),
                _standing(it),
                it.location,
            )
            for it in found
        ),
        empty="There is no source; add one with `quarters source add NAME LOCATION`.",
    )


@app.command
async def show(name: Name, /, *, json: Json = False) -> None:
    """Show a source, and which of its recipes cannot be read or built."""
    async with connect() as client:
        it = await client.sources.show(name)
        if json:
            return output.show(it)
        recipes = await everything(lambda cursor: client.recipes.list(source=name, cursor=cursor))
        view = await client.updates.show(name)
        which = ReviewFilter(state=ReviewState.WAITING, source=name)
        waiting = await everything(lambda cursor: client.reviews.list(which, cursor=cursor))
    output.facts([*_facts(it), ("Waiting for review", len(waiting) or None), *source_updates.facts(it, view)])
    for sentence in it.unplanned:
        output.say(f"✗ {sentence}")
    unreadable = [recipe for recipe in recipes if recipe.problem]
    if unreadable:
        output.say()
        output.table(("UNREADABLE", "WHY"), ((recipe.pkgbase, recipe.problem) for recipe in unreadable))
    return None


@app.command
async def sync(name: Name, /, *, json: Json = False) -> None:
    """Look for changes now."""
    async with connect() as client:
        it = await client.sources.sync(name)
    if json:
        return output.show(it)
    return output.say(f"Source {it.name} is being synced; see `quarters source show {it.name}`.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Edits:
    """What is to be different about a source; what is left out stays."""

    location: Annotated[str | None, Parameter(help="Where its recipes are from now on.")] = None
    branch: Annotated[str | None, Parameter(help="Branch to follow; empty for the default one.")] = None
    path: Annotated[
        str | None, Parameter(help="The folder of the location, or of each folder, that recipes are in.")
    ] = None
    packages: Annotated[
        tuple[str, ...] | None,
        Parameter(name="--package", help="The packages to follow, in place of those before (kind aur)."),
    ] = None
    dependencies: Annotated[
        bool | None, Parameter(help="Follow also what the repository's recipes need (kind aur).")
    ] = None
    prereleases: Annotated[bool | None, Parameter(help=_PRERELEASES)] = None
    automatic: Annotated[bool | None, Parameter(help="Build what is outdated without being asked.")] = None
    enabled: Annotated[
        bool | None, Parameter(help="Follow its changes, and offer its recipes to others.")
    ] = None
    max_running: Annotated[int | None, Parameter(help=_AT_ONCE)] = None
    review: Annotated[Level | None, Parameter(help=_REVIEW)] = None
    update_review: Annotated[Level | None, Parameter(help=_UPDATES)] = None
    trusted: Annotated[tuple[str, ...] | None, Parameter(name="--trust", help=_TRUST)] = None
    cooldown: Annotated[int | None, Parameter(help=_COOLDOWN)] = None


@app.command
async def edit(
    name: Name, /, *, edits: Edits | None = None, clock: Clock | None = None, json: Json = False
) -> None:
    """Change a source."""
    changes = edits or Edits()
    if changes == Edits() and (clock is None or clock.schedule is None):
        raise Invalid("Say what to change; `quarters source edit --help` lists what can be.")
    async with connect() as client:
        if clock is not None and clock.schedule is not None:
            await _set(client, name, "", clock.schedule, clock.timezone)
        it = await (
            client.sources.show(name)
            if changes == Edits()
            else client.sources.change(name, SourceChange(**asdict(changes)))
        )
    return output.show(it) if json else output.facts(_facts(it))


@app.command
async def schedule(
    name: Name,
    pkgbase: Annotated[str, Parameter(help="The package base of one of its recipes.")],
    expression: Annotated[str, Parameter(help="When to build it; `off` lets it follow its source again.")],
    /,
    *,
    timezone: Timezone = "UTC",
    json: Json = False,
) -> None:
    """Build one recipe by the clock, and not whenever it changes; `quarters schedule` shows when that would be."""
    async with connect() as client:
        entry = await _set(client, name, pkgbase, expression, timezone)
    if json:
        return output.show(entry)
    if entry is None:
        return output.say(f"{pkgbase} follows {name} again.")
    return output.say(f"{pkgbase} is built next on {entry.next_at:%Y-%m-%d at %H:%M} UTC.")


@app.command
async def schedules(*, json: Json = False) -> None:
    """List what is built by the clock, and when."""
    async with connect() as client:
        found = await everything(lambda cursor: client.schedules.list(cursor=cursor))
    if json:
        return output.show(found)
    return output.table(
        ("SOURCE", "PKGBASE", "SCHEDULE", "TIME ZONE", "NEXT", "LAST"),
        (
            (
                it.source,
                it.pkgbase or "all others",
                it.expression,
                it.timezone,
                it.next_at,
                output.ago(it.fired_at),
            )
            for it in found
        ),
        empty="Nothing is built by the clock; see `quarters source edit --schedule`.",
    )


async def _set(
    client: "Client", source: str, pkgbase: str, expression: str, timezone: str
) -> ScheduleEntry | None:
    if expression == _OFF:
        await client.schedules.delete(source, pkgbase)
        return None
    new = NewSchedule(source=source, pkgbase=pkgbase, expression=expression, timezone=timezone)
    return await client.schedules.put(new)


@app.command
async def hook(
    name: Name,
    /,
    *,
    renew: Annotated[
        bool, Parameter(negative=(), help="Make a new secret; the one of before is worth nothing then.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what to enter at GitHub, GitLab, Gitea or Forgejo, so that pushes are seen at once."""
    async with connect() as client:
        it = await client.sources.hook(name, renew=renew)
        url = client.url
    if json:
        return output.show(it)
    output.facts(
        [("Payload URL", f"{url}{it.path}"), ("Content type", "application/json"), ("Secret", it.secret)]
    )
    return output.say("The forge has to reach this address; send it push events.")


@app.command
async def commits(
    name: Name, /, *, limit: Annotated[int, Parameter(help="How many to show.")] = 20, json: Json = False
) -> None:
    """List people's commits, with what their messages ask for ([deploy NAME], [deploy all]) and what became of it."""
    async with connect() as client:
        found = await everything(lambda cursor: client.sources.commits(name, cursor=cursor), limit)
    if json:
        return output.show(found)
    return output.table(
        ("COMMIT", "WHEN", "AUTHOR?", "ASKS FOR", "BECAME", "SUBJECT?"),
        ((it.revision[:12], output.ago(it.at), it.author, it.asks, _became(it), it.subject) for it in found),
        empty=f"No commit of {name} is known.",
    )


app.command(source_tree.put)
app.command(source_tree.drop)
app.command(source_tree.bump)
app.command(source_updates.update)
app.command(source_updates.upstreams)
app.command(source_forge.forge)


@app.command
async def remove(name: Name, /, *, yes: Yes = False, json: Json = False) -> None:
    """Remove a source and its recipes; what was built from it stays published."""
    if not output.confirmed(f"Remove the source {name} and its recipes?", yes=yes):
        return
    async with connect() as client:
        await client.sources.delete(name)
    output.gone(name, f"Source {name} is removed.", json=json)


def _absolute(location: str) -> str:
    """A folder on this machine by its whole path: the server works in another one."""
    return str(Path(location).resolve()) if ":" not in location and Path(location).is_dir() else location


def _became(it: Commit) -> str:
    if it.pending:
        return "waits to be looked at"
    words = [f"request {it.request}"] if it.request is not None else []
    return "; ".join([*words, it.problem] if it.problem else words)


def _standing(it: Source) -> str:
    if not it.enabled:
        return "disabled"
    return "failing" if it.problem else "automatic" if it.automatic else "on request"


def _reviewed(it: Source) -> str:
    return {Level.OFF: "nothing", Level.MAJOR: "more than new versions", Level.ALL: "every change"}[it.review]


def _facts(it: Source) -> list[tuple[str, object]]:
    return [
        ("Source", it.name),
        ("Kind", it.kind),
        ("Location", it.location),
        ("Branch", it.branch),
        ("Folder", it.path),
        ("Packages", ", ".join(it.packages)),
        ("Pre-releases", it.prereleases or None),
        ("Repository", it.repository),
        ("Builds", "what is outdated" if it.automatic else "what is asked for"),
        ("At once", output.at_once(it.max_running)),
        ("Review", _reviewed(it)),
        ("Trusted", ", ".join(it.trusted)),
        ("Cooldown", output.duration(it.cooldown * 3600) if it.cooldown else None),
        ("Enabled", it.enabled),
        ("Revision", it.revision),
        ("Synced", output.ago(it.synced_at)),
        ("Recipes", it.recipes),
        ("Problem", it.problem),
    ]
