"""`quarters repo clean|check`: what is kept of a repository, and whether it is whole."""

from typing import Annotated

from cyclopts import Parameter

from quarters.cli import output
from quarters.cli.connection import connect, everything
from quarters.cli.output import DryRun, Json
from quarters.model.errors import Invalid


async def clean(name: str, /, *, dry_run: DryRun = False, json: Json = False) -> None:
    """Forget snapshots that the repository's policy (keep_versions, keep_days) does not keep, and files of theirs."""
    async with connect() as client:
        done = await client.snapshots.clean(name, dry_run=dry_run)
    if json:
        return output.show(done)
    verb = "would expire" if dry_run else "expired"
    numbers = f": {', '.join(map(str, done.expired))}" if done.expired else ""
    output.say(f"{len(done.expired)} snapshots of {name} {verb}{numbers}.")
    if done.unlisted:
        output.say(f"{done.unlisted} package files are listed by none; they are removed after a while.")
    if done.freed:
        output.say(f"{output.size(done.freed)} of files that had their time are freed.")
    return None


async def check(
    name: str | None = None,
    /,
    *,
    all: Annotated[bool, Parameter(negative=(), show_default=False, help="Check every repository.")] = False,
    repair: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Mend what can be mended.")
    ] = False,
    json: Json = False,
) -> int:
    """Hold rows, package files, signatures and indexes against each other; the exit code is 1 if anything is wrong."""
    if (name is None) != all:
        raise Invalid("Name a repository to check, or give --all.")
    async with connect() as client:
        names = [name] if name else []
        if all:
            names = [
                it.name for it in await everything(lambda cursor: client.repositories.list(cursor=cursor))
            ]
        checked = [await client.checks.check(it, repair=repair) for it in names]
    if json:
        output.show(checked)
    else:
        for it in checked:
            for finding in it.findings:
                output.say(finding.sentence)
            for sentence in it.repairs:
                output.say(sentence)
            wrong = len(it.findings)
            verdict = f"{wrong} finding{'s' if wrong > 1 else ''}" if wrong else "nothing wrong"
            output.say(f"{it.repository}: {it.packages} packages checked, {verdict}.")
    return 1 if any(it.findings for it in checked) else 0
