"""`quarters check`: is everything there, and as it was?"""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from quarters.cli import output, repo_upkeep
from quarters.cli.output import Json

app = App(name="check")


@app.default
async def check(
    *,
    backup: Annotated[
        Path | None, Parameter(help="Check the newest backup in this folder instead of the server.")
    ] = None,
    name: Annotated[str | None, Parameter(help="Name of the backup, if not the newest.")] = None,
    repair: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Mend what can be mended on the server.")
    ] = False,
    json: Json = False,
) -> int:
    """Check all repositories of the server, or a backup; the exit code is 1 if anything is wrong."""
    if backup is None:
        return await repo_upkeep.check(all=True, repair=repair, json=json)
    from quarters.wiring.backup import check as verify

    found = verify(backup, name)
    manifest = found.manifest
    if json:
        output.show({"name": found.name, "made_at": manifest.made_at, "packages": len(manifest.packages)})
    else:
        output.say(f"{found.name}: {len(manifest.packages)} packages, nothing wrong.")
    return 0
