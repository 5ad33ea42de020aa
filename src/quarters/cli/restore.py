"""`quarters restore`: a server from a backup of it, or from the package files that are left of it."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from quarters.cli import output
from quarters.cli.output import Json
from quarters.cli.running import ConfigFile, Data, settings

app = App(
    name="restore",
    help_epilogue="The data folder has to be empty, and so the database where another one is configured; it need not be of "
    "the engine that the backup was made of. Every file is held against its digest, and nothing is left behind if one is "
    "damaged. Clients that have seen what was published after the backup get the restored packages with their next -Sy.",
)


@app.default
async def restore(
    folder: Annotated[Path, Parameter(help="Folder that `quarters backup` wrote to.")],
    /,
    *,
    backup: Annotated[str | None, Parameter(help="Name of the backup; by default the newest.")] = None,
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Restore a backup into an empty data folder."""
    from quarters.wiring.backup import restore as put_back

    chosen = settings(config, storage={"data": data})
    done = await put_back(chosen, folder, backup)
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
