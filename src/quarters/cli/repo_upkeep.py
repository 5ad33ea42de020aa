"""`quarters repo clean`: what is kept of a repository."""

from quarters.cli import output
from quarters.cli.connection import connect
from quarters.cli.output import DryRun, Json


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
