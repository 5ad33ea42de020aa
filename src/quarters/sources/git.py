"""The git binary, run so that it asks nothing, obeys no configuration but ours, and ends in time."""

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from quarters.sources.commands import Command, inherited
from quarters.sources.processes import lines

_PROTOCOLS = "file:git:http:https:ssh"
"""What git may speak; above all not `ext`, which runs commands."""
_MOST = 512 << 20
"""Bytes that a command may print: listing and reading all of a source with 100,000 folders takes a tenth of that."""
_LONGEST_LINE = 8 << 10
# Objects that nothing names any more are kept: builds in the queue still refer to their revisions.
# `safe.directory`: reading a repository of somebody else runs nothing of it, so its owner is of no concern.
_CONFIG = """\
[safe]
\tdirectory = *
[gc]
\tauto = 0
[maintenance]
\tauto = false
[core]
\tquotePath = false
\tfsmonitor = false
[fetch]
\trecurseSubmodules = false
[i18n]
\tlogOutputEncoding = UTF-8
"""
# The archive is to hold the files as they are committed, whatever .gitattributes says.
_ATTRIBUTES = "* -export-ignore -export-subst -text -eol -ident -filter -working-tree-encoding\n"


class Git:
    """A bare repository of our own in `folder`, filled by fetching; each command gets `timeout` seconds."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self.folder = folder
        self._timeout = timeout

    async def prepare(self) -> None:
        """Make the repository where it is missing or was left half made."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.folder / "quarters.gitconfig").write_text(_CONFIG)
        if not (self.folder / "info" / "attributes").exists():
            await self.run("init", "--quiet", "--bare", "--template=", "--", str(self.folder))
            (self.folder / "info").mkdir(exist_ok=True)
            (self.folder / "info" / "attributes").write_text(_ATTRIBUTES)

    async def run(self, *arguments: str, stdin: bytes = b"", limit: int = _MOST) -> bytes:
        """What a command prints; SourceUnreachable with git's own last words when it fails.

        TooLarge past `limit` bytes: a few kilobytes of objects can stand for any number of files of any size.
        """
        return await self._command().run(*arguments, stdin=stdin, limit=limit)

    async def objects(self, names: Sequence[str]) -> list[bytes | None]:
        """The contents of objects, None where there is no such one; no name may hold a line break."""
        out = await self.run("cat-file", "--batch", stdin="".join(f"{name}\n" for name in names).encode())
        found: list[bytes | None] = []
        at = 0
        for _ in names:
            end = out.index(b"\n", at)
            header = out[at:end].rsplit(b" ", 1)
            at = end + 1
            if header[-1].isdigit():
                size = int(header[-1])
                found.append(out[at : at + size])
                at += size + 1
            else:
                found.append(None)
        return found

    async def sizes(self, names: Sequence[str]) -> list[int]:
        """The sizes of objects in bytes."""
        out = await self.run(
            "cat-file",
            "--batch-check=%(objectsize)",
            stdin="".join(f"{name}\n" for name in names).encode(),
        )
        return [int(line) for line in out.split()]

    async def lines(self, *arguments: str) -> AsyncGenerator[str, None]:
        """What a command prints, line by line; whoever has read enough may stop, which ends the command."""
        async with self._command().running(*arguments, errors=asyncio.subprocess.DEVNULL) as process:
            assert process.stdin is not None  # noqa: S101
            assert process.stdout is not None  # noqa: S101
            process.stdin.close()
            async for line in lines(process.stdout, _LONGEST_LINE):
                yield line.decode(errors="replace")

    def _command(self) -> Command:
        environment = self._environment()
        return Command(name="git", folder=self.folder, environment=environment, timeout=self._timeout)

    def _environment(self) -> dict[str, str]:
        return inherited() | {
            "GIT_DIR": str(self.folder),
            "GIT_CONFIG_GLOBAL": str(self.folder / "quarters.gitconfig"),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
            "GIT_ALLOW_PROTOCOL": _PROTOCOLS,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            # Not with the rest of the configuration: a repository on this machine that is pushed to has hooks to run.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "core.hooksPath",
            "GIT_CONFIG_VALUE_0": "/dev/null",
            "LC_ALL": "C.UTF-8",
        }
