"""Runs the tools of this machine that make roots."""

import asyncio

from quarters.builder.cleanup import to_the_end
from quarters.builder.failure import BuilderUnusable
from quarters.builder.workspace import PATH

_SAID = 600


async def run(*command: str) -> str:
    """What `command` prints; BuilderUnusable with the last of it where it fails, or is not there."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": PATH, "LANG": "C.UTF-8"},
        )
    except FileNotFoundError:
        raise BuilderUnusable(f"{command[0]} cannot be found, which the root is made with.") from None
    try:
        said = (await process.communicate())[0].decode(errors="replace")
    finally:
        await to_the_end(_ended(process))
    if process.returncode:
        raise BuilderUnusable(f"The root cannot be made: {' '.join(said[-_SAID:].split())}")
    return said


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
