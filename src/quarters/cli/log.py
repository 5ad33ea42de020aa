"""`quarters log`: what a build printed."""

import sys
from collections.abc import AsyncIterator
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

_LONGEST_LINE = 1 << 20


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
            async for piece in _whole_lines(client.builds.read_log(build, attempt=attempt)):
                _show(piece)
            return 0
        shown = None
        async for part in client.builds.follow_log(build, attempt=attempt):
            if isinstance(part, LogEnd):
                return 0 if part.state in SATISFIED else 1
            if shown not in (None, part.attempt):
                print(f"--- attempt {part.attempt} ---", flush=True)
            shown = part.attempt
            _show(part.text.encode())
    return 1


async def _whole_lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, cut where lines end, as far as they do within a megabyte."""
    rest = b""
    async for piece in pieces:
        end = piece.rfind(b"\n") + 1
        if not end and len(rest) < _LONGEST_LINE:
            rest += piece
            continue
        yield rest + piece[:end]
        rest = piece[end:]
    if rest:
        yield rest


def _show(piece: bytes) -> None:
    if sys.stdout.isatty():
        piece = outlined(harmless(piece.decode(errors="replace"))).encode()
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
