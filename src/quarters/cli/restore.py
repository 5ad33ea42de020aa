"""`quarters restore`: a server from a backup of it, or from the package files that are left of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from quarters.cli import output
from quarters.cli.output import Json
from quarters.cli.running import ConfigFile, Data, settings
from quarters.model.errors import Invalid

if TYPE_CHECKING:
    from quarters.publishing.rebuild import Rebuilding

app = App(
    name="restore",
    help_epilogue="The data folder has to be empty, and so the database where another one is configured; it need not be of "
    "the engine that the backup was made of. Every file is held against its digest, and nothing is left behind if one is "
    "damaged. Clients that have seen what was published after the backup get the restored packages with their next -Sy.",
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the server is to be made of."""

    backup: Annotated[str | None, Parameter(help="Name of the backup; by default the newest.")] = None
    from_packages: Annotated[
        bool,
        Parameter(
            negative=(),
            show_default=False,
            help="Instead, rebuild the lost database of a data folder from its package files and indexes.",
        ),
    ] = False
    repository: Annotated[
        str | None,
        Parameter(help="Rebuild without indexes: list the newest version of every package file in it."),
    ] = None


@app.default
async def restore(
    folder: Annotated[Path | None, Parameter(help="Folder that `quarters backup` wrote to.")] = None,
    /,
    *,
    what: Choice | None = None,
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Restore a backup into an empty data folder, or rebuild a lost database."""
    from quarters.wiring import backup as wired

    chosen, wanted = settings(config, storage={"data": data}), what or Choice()
    if wanted.from_packages:
        if folder is not None or wanted.backup is not None:
            raise Invalid("A database is rebuilt either from a backup or --from-packages.")
        return _tell_rebuilt(await wired.rebuild(chosen, wanted.repository), json=json)
    if folder is None or wanted.repository is not None:
        raise Invalid("Name the folder of the backups, or say --from-packages.")
    done = await wired.restore(chosen, folder, wanted.backup)
    if json:
        return output.show(done)
    names = ", ".join(done.repositories) or "no repository"
    output.say(f"{done.name} is restored in {done.data}: {names}, {done.packages} packages.")
    if not done.keys:
        output.say(
            "There was no signing key in it. Put the old one into place with `quarters key import`, or the server makes a "
            "new one, which clients have to trust."
        )
    if done.configuration:
        output.say(f"The configuration of then is {done.configuration}; put it where the server reads it.")
    output.say(f"Start the server: quarters up --data {done.data}")
    return None


def _tell_rebuilt(done: "Rebuilding", *, json: bool) -> None:
    if json:
        return output.show(done)
    for it in done.repositories:
        output.say(f"{it.name} is rebuilt: snapshot {it.snapshot} lists {it.packages} packages.")
        for name in it.lost:
            output.say(f"{name} is lost: its file is missing or damaged.")
        if not it.policy:
            output.say(f"The policy of {it.name} could not be found; look at it with `quarters repo show`.")
    if done.unlisted:
        output.say(f"{done.unlisted} package files are named by no index; they are removed after a while.")
    output.say("Lost with the database: sources, builds, pins, tokens of others, and who signed uploads.")
    return None
