"""The svn command line: what changed in a repository, and its folders as files."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import msgspec

from quarters.sources.commands import Command, TooLarge, inherited
from quarters.sources.errors import SourceUnreachable
from quarters.sources.recording import File

_MOST = 512 << 20
"""Bytes that a command may print, and that an exported folder may hold."""
_LARGEST_FILE = 64 << 20


class Touched(msgspec.Struct, frozen=True):
    """Who last changed a folder, and when (RFC 3339, as svn prints it)."""

    author: str
    at: str


class Subversion:
    """One Subversion repository or a folder of it; each command gets `timeout` seconds and asks nothing."""

    def __init__(self, url: str, folder: Path, timeout: float) -> None:
        self._url = url.rstrip("/")
        self._config = str(folder / "subversion")
        self._command = Command(name="svn", folder=folder, environment=_environment(), timeout=timeout)

    async def revision(self) -> int:
        """The newest revision that changed anything here."""
        return int(await self._run("info", "--show-item", "last-changed-revision", "--", f"{self._url}@"))

    async def folders(self, revision: int) -> dict[str, Touched]:
        """The folders right below, with their last changes."""
        listed = await self._xml("list", "--xml", "--", f"{self._url}@{revision}")
        entries = [entry for entry in listed.iter("entry") if entry.get("kind") == "dir"]
        return {entry.findtext("name", ""): _touched(entry.find("commit")) for entry in entries}

    async def changed(self, since: int, until: int) -> dict[str, Touched]:
        """The folders right below that revisions after `since` up to `until` touched, gone ones too."""
        here = (await self._run("info", "--show-item", "relative-url", "--", f"{self._url}@{until}")).strip()
        prefix = here.removeprefix("^").rstrip("/") + "/"
        log = await self._xml(
            "log", "--xml", "--verbose", f"--revision={since + 1}:{until}", "--", f"{self._url}@{until}"
        )
        found: dict[str, Touched] = {}
        for entry in log.iter("logentry"):
            for path in entry.iter("path"):
                if (path.text or "").startswith(prefix):
                    top = (path.text or "").removeprefix(prefix).partition("/")[0]
                    found[top] = _touched(entry)
        return found

    async def export(self, folder: str, revision: int, target: Path) -> bool:
        """Write a folder ("" for all of them) as it was at `revision` to `target`; whether there was one."""
        place = f"{self._url}/{folder}" if folder else self._url
        try:
            await self._run(
                "export", "--quiet", "--ignore-externals", "--", f"{place}@{revision}", str(target)
            )
        except SourceUnreachable as error:
            if folder and ("E170000" in str(error) or "E160013" in str(error) or "E200009" in str(error)):
                return False
            raise
        return True

    async def _xml(self, *arguments: str) -> Element:
        # svn writes this itself and escapes what comes from the server.
        return fromstring(await self._run(*arguments))  # noqa: S314

    async def _run(self, *arguments: str) -> str:
        quiet = ("--non-interactive", "--no-auth-cache", "--config-dir", self._config)
        command, *rest = arguments
        return (await self._command.run(command, *quiet, *rest, limit=_MOST)).decode(errors="replace")


def files(folder: Path) -> dict[str, File]:
    """Everything in an exported folder; TooLarge if that is more than anybody wants to keep."""
    found: dict[str, File] = {}
    size = 0
    for path in _walk(folder):
        status = path.lstat()
        size += status.st_size
        if status.st_size > _LARGEST_FILE or size > _MOST:
            raise TooLarge(f"{path.relative_to(folder)} makes a folder of the repository too large.")
        name = path.relative_to(folder).as_posix()
        if stat.S_ISLNK(status.st_mode):
            found[name] = File(os.fsencode(path.readlink()), "120000")
        elif stat.S_ISREG(status.st_mode):
            found[name] = File(path.read_bytes(), "100755" if status.st_mode & 0o100 else "100644")
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for top, _, names in os.walk(folder):
        for name in names:
            yield Path(top, name)


def _touched(commit: Element | None) -> Touched:
    if commit is None:
        return Touched("", "")
    return Touched(commit.findtext("author", ""), commit.findtext("date", ""))


def _environment() -> dict[str, str]:
    # File names are bytes to us and UTF-8 to svn.
    return inherited() | {"LC_ALL": "C.UTF-8"}
