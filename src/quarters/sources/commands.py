"""Programs that fetch (git, svn), run so that they end in time and say what went wrong."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from quarters.sources.errors import SourceUnreachable
from quarters.sources.processes import TooMuch, end, feed, read, together

_MOST_ERRORS = 1 << 20
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


class TooLarge(SourceUnreachable):
    """The source holds more than can be read."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """How a program is run: in `folder`, with nothing in its environment but `environment`, for `timeout` seconds."""

    name: str
    folder: Path
    environment: Mapping[str, str]
    timeout: float

    async def run(self, *arguments: str, stdin: bytes = b"", limit: int) -> bytes:
        """What it prints; SourceUnreachable with its own last words when it fails, TooLarge past `limit` bytes."""
        try:
            async with self.running(*arguments) as process:
                _, out, err = await together(
                    feed(process.stdin, stdin),
                    read(process.stdout, limit),
                    read(process.stderr, _MOST_ERRORS),
                )
                await process.wait()
        except TooMuch:
            raise TooLarge(f"{self.name} {arguments[0]} brings more than {limit >> 20} MiB.") from None
        if process.returncode != 0:
            raise SourceUnreachable(self._sentence(err))
        return bytes(out)

    @asynccontextmanager
    async def running(
        self, *arguments: str, errors: int = asyncio.subprocess.PIPE
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """The running program, which is ended with the context."""
        try:
            process = await asyncio.create_subprocess_exec(
                self.name,
                *arguments,
                cwd=self.folder,
                env=dict(self.environment),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise SourceUnreachable(f"{self.name} is not installed here; install it.") from None
        try:
            async with asyncio.timeout(self.timeout):
                yield process
        except TimeoutError:
            raise SourceUnreachable(f"{self.name} did not end within {self.timeout:g} seconds.") from None
        finally:
            await end(process)

    def _sentence(self, printed: bytes) -> str:
        lines = [line.strip() for line in printed.decode(errors="replace").splitlines() if line.strip()]
        told = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:", "svn: E"))]
        last = (told or lines[-1:] or [""])[0].rstrip(".")
        return f"{self.name} says: {last}." if last else f"{self.name} failed without saying why."


def inherited() -> dict[str, str]:
    """What a program that fetches may know of our own environment: where to look, and through which proxy."""
    return {name: value for name, value in os.environ.items() if name in _INHERITED}
