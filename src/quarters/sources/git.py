"""The git binary, run so that it asks nothing, obeys no configuration but ours, and ends in time."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from quarters.sources.processes import TooMuch, end, feed, lines, read, together
from quarters.sources.source import SourceUnreachable

_PROTOCOLS = "file:git:http:https:ssh"
"""What git may speak; above all not `ext`, which runs commands."""
_MOST = 512 << 20
"""Bytes that a command may print: listing and reading all of a source with 100,000 folders takes a tenth of that."""
_MOST_ERRORS = 1 << 20
_LONGEST_LINE = 8 << 10
_INHERITED = frozenset(
    [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SSH_AUTH_SOCK",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "GIT_SSL_CAINFO",
        "GIT_SSH_COMMAND",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
    ]
)
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
\thooksPath = /dev/null
\tquotePath = false
\tfsmonitor = false
[fetch]
\trecurseSubmodules = false
[i18n]
\tlogOutputEncoding = UTF-8
"""
# The archive is to hold the files as they are committed, whatever .gitattributes says.
_ATTRIBUTES = "* -export-ignore -export-subst -text -eol -ident -filter -working-tree-encoding\n"


class GitTooLarge(SourceUnreachable):
    """The repository holds more than can be read."""


class Git:
    """A bare repository of our own in `folder`, filled by fetching; each command gets `timeout` seconds."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self._folder = folder
        self._timeout = timeout

    async def prepare(self) -> None:
        """Make the repository where it is missing or was left half made."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._folder / "quarters.gitconfig").write_text(_CONFIG)
        if not (self._folder / "info" / "attributes").exists():
            await self.run("init", "--quiet", "--bare", "--template=", "--", str(self._folder))
            (self._folder / "info").mkdir(exist_ok=True)
            (self._folder / "info" / "attributes").write_text(_ATTRIBUTES)

    async def run(self, *arguments: str, stdin: bytes = b"", limit: int = _MOST) -> bytes:
        """What a command prints; SourceUnreachable with git's own last words when it fails.

        GitTooLarge past `limit` bytes: a few kilobytes of objects can stand for any number of files of any size.
        """
        try:
            async with self._running(arguments) as process:
                _, out, err = await together(
                    feed(process.stdin, stdin),
                    read(process.stdout, limit),
                    read(process.stderr, _MOST_ERRORS),
                )
                await process.wait()
        except TooMuch:
            raise GitTooLarge(f"git {arguments[0]} brings more than {limit >> 20} MiB.") from None
        if process.returncode != 0:
            raise SourceUnreachable(_sentence(err))
        return bytes(out)

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
        async with self._running(arguments, errors=asyncio.subprocess.DEVNULL) as process:
            assert process.stdin is not None  # noqa: S101
            assert process.stdout is not None  # noqa: S101
            process.stdin.close()
            async for line in lines(process.stdout, _LONGEST_LINE):
                yield line.decode(errors="replace")

    @asynccontextmanager
    async def _running(
        self, arguments: tuple[str, ...], errors: int = asyncio.subprocess.PIPE
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        try:
            process = await asyncio.create_subprocess_exec(
                "git",
                *arguments,
                cwd=self._folder,
                env=self._environment(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise SourceUnreachable("git is not installed here; install it.") from None
        try:
            async with asyncio.timeout(self._timeout):
                yield process
        except TimeoutError:
            raise SourceUnreachable(f"git did not end within {self._timeout:g} seconds.") from None
        finally:
            await end(process)

    def _environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name in _INHERITED} | {
            "GIT_DIR": str(self._folder),
            "GIT_CONFIG_GLOBAL": str(self._folder / "quarters.gitconfig"),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
            "GIT_ALLOW_PROTOCOL": _PROTOCOLS,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "LC_ALL": "C.UTF-8",
        }


def _sentence(printed: bytes) -> str:
    lines = [line.strip() for line in printed.decode(errors="replace").splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))] or lines[-1:]
    return f"git says: {fatal[0].rstrip('.')}." if fatal else "git failed without saying why."
