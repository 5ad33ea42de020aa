"""`quarters config`: check the configuration, show it."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from quarters.cli import output
from quarters.cli.output import Json

app = App(name="config")

ConfigFile = Annotated[
    Path | None,
    Parameter(name="--config", help="Configuration file; by default quarters.toml here or in /etc/quarters."),
]


@app.command
def check(*, config: ConfigFile = None) -> None:
    """Say what is wrong with the configuration, or that nothing is."""
    from quarters.config import load

    load(config, os.environ)
    output.say("ok")


@app.command
def show(*, config: ConfigFile = None, json: Json = False) -> None:
    """Show every setting and where it comes from; secrets are masked."""
    from quarters.config import explain

    settings = explain(config, os.environ)
    if json:
        return output.show(settings)
    return output.table(
        ("SETTING", "VALUE", "FROM"),
        ((f"{it.section}.{it.key}", it.value, it.origin) for it in settings),
    )
