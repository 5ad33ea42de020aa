"""`quarters repo import|export`: whole repositories that come from elsewhere or go there."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from quarters.cli import output
from quarters.cli.connection import connect
from quarters.cli.output import Arch, DryRun, Json
from quarters.model.errors import Invalid

if TYPE_CHECKING:
    from quarters.transfer.crew import Progress
    from quarters.transfer.importing import Report


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Importing:
    """What of another repository is imported, and how."""

    arch: Arch = None
    name: Annotated[
        str | None, Parameter(help="What the repository calls itself there (NAME.db), if it is not REPO.")
    ] = None
    allow_downgrade: Annotated[
        bool, Parameter(help="Import packages even where a newer version is published.")
    ] = False
    dry_run: DryRun = False


async def import_(
    repo: Annotated[str, Parameter(help="The repository that the packages come into.")],
    source: Annotated[
        str,
        Parameter(help="Folder or http(s) address that has NAME.db and packages; may hold $repo and $arch."),
    ],
    /,
    *,
    importing: Importing | None = None,
    json: Json = False,
) -> int:
    """Bring the packages of an existing pacman repository in, in one snapshot; what is here already is not read again."""
    from quarters.formats.pacman import Pacman
    from quarters.transfer.importing import Importer, Order
    from quarters.transfer.origins import origin

    chosen = importing or Importing()
    order = Order(
        repository=repo,
        location=source,
        name=chosen.name or repo,
        arch=chosen.arch,
        allow_downgrade=chosen.allow_downgrade,
        dry_run=chosen.dry_run,
    )
    read = origin(source)
    try:
        async with connect() as client:
            with moving("importing", shown=not json) as progress:
                report = await Importer(client, read, Pacman(), progress).run(order)
    finally:
        await read.close()
    if json:
        output.show(report)
    else:
        _tell(report, dry_run=chosen.dry_run)
    return 1 if report.refused else 0


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Exporting:
    """What of a repository is exported, and what becomes of the rest."""

    snapshot: Annotated[
        str | None, Parameter(help="Number, date, time or pin; if it is left out, what is served now.")
    ] = None
    delete: Annotated[
        bool,
        Parameter(negative=(), show_default=False, help="Remove packages that are listed no more."),
    ] = False
    grace: Annotated[
        float,
        Parameter(
            help="Hours for which --delete leaves what is listed no more, for clients that are behind."
        ),
    ] = 0.0


async def export(
    repo: Annotated[str, Parameter(help="The repository to export.")],
    target: Annotated[
        str,
        Parameter(
            help="Folder, rsync target (rsync://HOST/MODULE/PATH or HOST:PATH), or s3://BUCKET/PREFIX."
        ),
    ],
    /,
    *,
    exporting: Exporting | None = None,
    json: Json = False,
) -> None:
    """Bring a repository to a place that any static web server serves; only what changed is sent."""
    chosen = exporting or Exporting()
    if chosen.grace < 0 or (chosen.grace and not chosen.delete):
        raise Invalid("--grace says how many hours --delete waits; give both.")
    from quarters.formats.pacman import Pacman
    from quarters.transfer.exporting import Exporter, Order
    from quarters.transfer.targets import target as opened

    place = opened(target, os.environ)
    order = Order(
        repository=repo,
        location=target,
        snapshot=chosen.snapshot,
        grace=timedelta(hours=chosen.grace) if chosen.delete else None,
    )
    async with connect() as client:
        with moving("exporting", shown=not json) as progress:
            done = await Exporter(client, place, Pacman(), lambda: datetime.now(UTC), progress).run(order)
    if json:
        return output.show(done)
    if not done.changed:
        return output.say(f"{target} has snapshot {done.snapshot} of {repo} already.")
    output.say(
        f"{target} has snapshot {done.snapshot} of {repo} with {done.packages} packages: "
        f"{done.sent} sent ({output.size(done.bytes)}), {done.removed} removed."
    )
    return None


def _tell(report: "Report", *, dry_run: bool) -> None:
    for it in report.refused:
        output.say(f"{it.file_name}: {it.reason}")
    would = "would be" if dry_run else "are"
    output.say(
        f"{report.location} has {report.found} packages for {report.repository}: {report.packages} {would} new, "
        f"{report.there} were there, {len(report.refused)} {would} refused."
    )
    if report.ignores_signatures:
        output.say(
            f"Their signatures {'would be' if dry_run else 'were'} not looked at, as {report.repository} trusts no keys; "
            "see `quarters key trust`."
        )
    if report.snapshot is not None:
        from quarters.cli.repo_snapshots import tell

        tell([report.snapshot])


@contextmanager
def moving(what: str, *, shown: bool) -> "Iterator[Progress]":
    """Show on a terminal how far it is; elsewhere nothing."""
    if not (shown and sys.stdout.isatty()):
        yield lambda _done, _all, _bytes: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[size]}"))
    with Bar(*columns, TimeRemainingColumn(), console=output.console(), transient=True) as bar:
        task = bar.add_task(what, total=None, size="")

        def progress(done: int, all: int, bytes: int) -> None:
            bar.update(task, completed=done, total=all, size=output.size(bytes))

        yield progress
