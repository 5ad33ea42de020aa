"""Signs what was built, outside of every root: the key and all that leads to it stay out of a build's reach."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from quarters.builder.failure import BuilderUnusable
from quarters.builder.settings import BuilderSettings
from quarters.builder.workspace import PATH
from quarters.model.text import plain

_PATIENCE = 60.0
"""Seconds that one signature may take: a card may have to be woken."""


class Signer:
    """Runs a program that reads a file from its standard input and prints the binary detached signature."""

    def __init__(self, command: Sequence[str], variables: dict[str, str]) -> None:
        self._command = command
        self._variables = variables

    async def sign(self, path: Path) -> bytes:
        """The signature of a file; BuilderUnusable says what the program complained about."""
        with path.open("rb") as content:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=content,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"PATH": PATH, "LANG": "C.UTF-8", **self._variables},
            )
        try:
            async with asyncio.timeout(_PATIENCE):
                signature, complained = await process.communicate()
        except BaseException as error:
            process.kill()
            await process.wait()
            if isinstance(error, TimeoutError):
                raise BuilderUnusable(
                    f"{path.name} cannot be signed: {self._command[0]} did not answer."
                ) from None
            raise
        if process.returncode or not signature:
            why = plain(complained.decode(errors="replace")).strip() or "it printed nothing"
            raise BuilderUnusable(f"{path.name} cannot be signed: {self._command[0]}: {why}")
        return signature


def signer(settings: BuilderSettings) -> Signer | None:
    """What signs on this builder: its command, or gpg with the chosen key; None where nothing is to be signed."""
    if settings.signing_command:
        return Signer(settings.signing_command, {})
    if not settings.signing_key:
        return None
    home = {"GNUPGHOME": str(settings.gnupg_home)} if settings.gnupg_home else {}
    if "HOME" in os.environ:
        home["HOME"] = os.environ["HOME"]
    command = ("gpg", "--batch", "--no-tty", "--quiet", "--local-user", settings.signing_key)
    return Signer((*command, "--no-armor", "--detach-sign", "--output", "-", "-"), home)
