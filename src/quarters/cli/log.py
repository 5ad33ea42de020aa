"""`quarters log`: what a build printed."""

import sys
from typing import Annotated

from cyclopts import App, Parameter

from quarters.cli.connection import connect
from quarters.cli.terminal import harmless, outlined
from quarters.model.build import SATISFIED
from quarters.protocol.streams import LogEnd

app = App(
    name="log",
    help_epilogue="With --follow the exit code is 1 if the build does not succeed.",
)


@app.default
async def log(
    build: Annotated[int, Parameter(help="Its number.")],
    /,
    *,
    follow: Annotated[
        bool, Parameter(name="--follow", negative=(), help="Show what comes, until the build ends.")
    ] = False,
    attempt: Annotated[int | None, Parameter(help="Which attempt; the last one where none is given.")] = None,
) -> int:
    """Show what a build printed, also while it runs."""
    async with connect() as client:
        if not follow:
            printed = await client.builds.log(build, attempt=attempt)
            if sys.stdout.isatty():
                printed = outlined(harmless(printed.decode(errors="replace"))).encode()
            sys.stdout.buffer.write(printed)
            return 0
        shown = None
        async for part in client.builds.follow_log(build, attempt=attempt):
            if isinstance(part, LogEnd):
                return 0 if part.state in SATISFIED else 1
            if shown not in (None, part.attempt):
                print(f"--- attempt {part.attempt} ---")
            shown = part.attempt
            sys.stdout.write(outlined(harmless(part.text)) if sys.stdout.isatty() else part.text)
            sys.stdout.flush()
    return 1
