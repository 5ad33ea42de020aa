"""`quarters backup`: everything of a server in a folder that can be elsewhere tomorrow."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from quarters.cli import output
from quarters.cli.output import Json
from quarters.cli.running import ConfigFile, Data, settings
from quarters.config import default_file

app = App(
    name="backup",
    help_epilogue="The server may go on publishing: the backup is of one moment. It holds the database, of either engine, "
    "package files, logs, what is just being published, and the signing keys; only the owner can read the folder. "
    "Package files that an earlier backup in the same folder has are not copied again, and none is copied within one file "
    "system, so put the folder on another disk. `quarters restore FOLDER` restores the newest.",
)


@app.default
async def backup(
    folder: Annotated[Path, Parameter(help="Folder that holds all backups of this server; made if need be.")],
    /,
    *,
    keys: Annotated[
        bool,
        Parameter(negative="--without-keys", help="Back up the signing keys, which are secret, too."),
    ] = True,
    keep: Annotated[
        int | None, Parameter(help="Remove older backups but so many, and the files that only they have.")
    ] = None,
    data: Data = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Back up the server whose data is on this machine."""
    from quarters.storage.backup.making import Wishes
    from quarters.wiring.backup import back_up

    chosen = settings(config, storage={"data": data})
    wishes = Wishes(keys=keys, configuration=config or default_file(), kept=keep)
    made = await back_up(chosen, folder, wishes)
    if json:
        return output.show(made)
    new = f"{made.added} files ({output.size(made.added_bytes)}) are new"
    output.say(f"Backup {made.name} holds {made.packages} packages and {made.logs} logs; {new}.")
    if made.keys:
        output.say(f"It holds {made.keys} signing keys, which are secret: {made.folder / 'keys'}.")
    else:
        output.say("It holds no signing key: without it clients would have to trust another one.")
    if made.freed:
        output.say(f"Older backups are removed: {output.size(made.freed)} are freed.")
    return None
