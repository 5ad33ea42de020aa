"""`quarters source update|upstreams`: where the recipes of a tree come from, and when that is looked at."""

from dataclasses import asdict, dataclass
from typing import Annotated

import msgspec
from cyclopts import Parameter

from quarters.cli import output
from quarters.cli.connection import connect
from quarters.cli.output import DryRun, Json
from quarters.model.errors import Invalid
from quarters.model.source import Source
from quarters.model.updates import Trigger
from quarters.protocol.resources import SourceChange
from quarters.protocol.updates import UpdateReport, UpdatesView, UpdateWish


async def update(
    name: Annotated[str, Parameter(help="Name of the source.")],
    /,
    *,
    package: Annotated[
        tuple[str, ...], Parameter(help="A folder or package base to look at; may be given again.")
    ] = (),
    trigger: Annotated[str, Parameter(help="Build the recipes with this named trigger instead.")] = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Look at the upstreams of a tree's recipes now: commit and push what is new, build what moved."""
    wish = UpdateWish(packages=package, trigger=trigger, dry_run=dry_run)
    async with connect() as client:
        report = await client.updates.ask(name, wish)
    if json:
        return output.show(report)
    if report.pending:
        return output.say(
            f"The upstreams of {name} are being looked at; see `quarters source upstreams {name}`."
        )
    return _tell(report, dry_run=dry_run)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Ways:
    """What is to be different about how upstreams are followed; what is left out stays."""

    follow: Annotated[bool | None, Parameter(help="Look at upstreams by the clock.")] = None
    push: Annotated[
        str | None, Parameter(help="Where commits are pushed; empty: nowhere, so nothing is committed.")
    ] = None
    schedule: Annotated[str | None, Parameter(help="When to look, as cron has it.")] = None
    timezone: Annotated[str | None, Parameter(help="Whose clock counts, such as Europe/Brussels.")] = None
    author: Annotated[str | None, Parameter(help="Who commits, as 'Name <mail>'.")] = None
    message: Annotated[str | None, Parameter(help="The commits' message; {packages} are the folders.")] = None
    overwrite: Annotated[
        bool | None, Parameter(help="Replace the newest commit if it is an automated one.")
    ] = None
    parallel: Annotated[int | None, Parameter(help="How many upstreams are fetched side by side.")] = None
    delay: Annotated[float | None, Parameter(help="Seconds between the beginnings of two fetches.")] = None
    proxy: Annotated[str | None, Parameter(help="The HTTP proxy through which the AUR is reached.")] = None
    publish: Annotated[
        str | None,
        Parameter(help="Where recipes that ask for it are pushed to, such as ssh://aur@aur.archlinux.org."),
    ] = None


async def upstreams(
    name: Annotated[str, Parameter(help="Name of the source.")],
    /,
    *,
    ways: Ways | None = None,
    trigger: Annotated[
        tuple[str, ...],
        Parameter(
            help="A named trigger and when it fires, as NAME=SCHEDULE; `off` ends it. May be given again."
        ),
    ] = (),
    json: Json = False,
) -> None:
    """Show or change how the upstreams of a tree's recipes are followed."""
    given = {key: value for key, value in asdict(ways or Ways()).items() if value is not None}
    async with connect() as client:
        source = await client.sources.show(name)
        if trigger:
            given["triggers"] = _triggers(source.updates.triggers, trigger)
        if given:
            changed = msgspec.structs.replace(source.updates, **given)
            source = await client.sources.change(name, SourceChange(updates=changed))
        view = await client.updates.show(name)
    if json:
        return output.show({"settings": source.updates, "state": view})
    output.facts([("Source", source.name), *facts(source, view), *_settings(source)])
    if view.stale:
        output.say()
        output.table(
            ("STALE", "SINCE TRIES", "NEXT", "WHY"),
            ((it.path, it.failures or "", it.retry_at or "", it.problem) for it in view.stale),
        )
    return None


def facts(source: Source, view: UpdatesView) -> list[tuple[str, object]]:
    """How its updates go, for people; nothing where upstreams are not followed."""
    if not source.updates.follow and not view.triggers:
        return []
    return [
        ("Upstreams looked at", output.ago(view.ended_at)),
        ("Next", view.next_at),
        ("Last commit", f"{view.commit[:12]} ({', '.join(view.committed)})" if view.commit else ""),
        ("Upstream problem", view.problem),
        ("Stale", len(view.stale) or ""),
        *((f"Trigger {trigger}", at) for trigger, at in sorted(view.triggers.items())),
    ]


def _settings(source: Source) -> list[tuple[str, object]]:
    how = source.updates
    zone = "" if how.timezone == "UTC" else f" {how.timezone}"
    return [
        ("Followed", f"{how.schedule}{zone}" if how.follow else "no"),
        ("Pushes to", how.push or "nowhere: nothing is committed"),
        ("Author", how.author),
        ("Message", how.message),
        ("Overwrites", how.overwrite),
        ("Side by side", how.parallel),
        ("Seconds apart", how.delay),
        ("Proxy", how.proxy),
        ("Publishes to", how.publish),
    ]


def _triggers(known: tuple[Trigger, ...], given: tuple[str, ...]) -> tuple[Trigger, ...]:
    found = {each.name: each for each in known}
    for each in given:
        trigger, equals, expression = each.partition("=")
        if not equals or not trigger:
            raise Invalid(f"{each!r} is not written as NAME=SCHEDULE.")
        if expression == "off":
            found.pop(trigger, None)
        else:
            found[trigger] = Trigger(trigger, expression)
    return tuple(found.values())


def _tell(report: UpdateReport, *, dry_run: bool) -> None:
    rows = [
        *((path, "would be committed" if dry_run else "committed", "") for path in report.committed),
        *((path, "waits for a review", "") for path in report.waiting),
        *((path, "would be built" if dry_run else "is built", why) for path, why in report.builds.items()),
        *((path, "stale", why) for path, why in report.problems.items()),
    ]
    output.table(("PACKAGE", "WHAT", "WHY"), sorted(rows), empty="Nothing is new.")
    if report.problem:
        output.say(f"Problem: {report.problem}")
