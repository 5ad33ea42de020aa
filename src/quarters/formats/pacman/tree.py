"""The files that a package would put on a system, refused where extracting them could leave the target folder."""

import re
from collections.abc import Iterable

from quarters.formats.pacman.tar import Kind, Member
from quarters.model.errors import Invalid

# A component that is empty (an absolute path, "a//b"), "." or "..".
_UNSAFE = re.compile(r"(?:^|/)\.{0,2}(?:/|$)")
_LONGEST_PATH = 4095  # PATH_MAX less its zero byte
_ALLOWED = (Kind.FILE, Kind.HARDLINK, Kind.SYMLINK, Kind.DIRECTORY)


class Tree:
    """What stands at which path so far; folders that are only implied are known without being listed."""

    def __init__(self, longest: int, most: int) -> None:
        """At most `most` paths, implied ones among them, which together have `longest` characters."""
        self._longest = longest
        self._most = most
        self._length = 0
        self._kinds: dict[str, Kind] = {}
        self._paths: list[str] = []

    def add(self, member: Member) -> None:
        """Take the next member in, or raise Invalid naming it."""
        path = _safe(member.name.removesuffix("/") if member.kind is Kind.DIRECTORY else member.name)
        kind = member.kind
        if kind not in _ALLOWED:
            raise Invalid(f"its member {path!r} is a device or a pipe")
        known = self._kinds.get(path)
        if known is not None and (known is not Kind.DIRECTORY or kind is not Kind.DIRECTORY):
            raise Invalid(f"it holds {path!r} twice")
        if kind is Kind.HARDLINK and self._kinds.get(_safe(member.link)) not in (Kind.FILE, Kind.HARDLINK):
            raise Invalid(f"its member {path!r} links to {member.link!r}, which is no file before it")
        self._check_folders(path)
        if known is None:
            self._note(path, kind)
        self._paths.append(f"{path}/" if kind is Kind.DIRECTORY else path)

    def paths(self) -> Iterable[str]:
        """Every member's path in the order of the archive, folders with a slash at the end."""
        return self._paths

    def _check_folders(self, path: str) -> None:
        """No member may lie below one that is no folder: through a symbolic link it would be put elsewhere."""
        folder = path.rpartition("/")[0]
        while folder:
            known = self._kinds.get(folder)
            if known is Kind.DIRECTORY:
                return  # and so is all above it
            if known is not None:
                raise Invalid(f"its member {path!r} lies below {folder!r}, which is no folder")
            self._note(folder, Kind.DIRECTORY)
            folder = folder.rpartition("/")[0]

    def _note(self, path: str, kind: Kind) -> None:
        self._kinds[path] = kind
        # What is not ASCII takes up to four bytes in memory, and as many characters where it is escaped.
        self._length += len(path) if path.isascii() else 4 * len(path)
        if self._length > self._longest:
            raise Invalid(f"its list of files is longer than {self._longest} characters")
        if len(self._kinds) > self._most:
            raise Invalid(f"it holds more than {self._most} files and folders")


def _safe(path: str) -> str:
    if len(path) > _LONGEST_PATH or _UNSAFE.search(path):
        raise Invalid(f"its member {path[:200]!r} is not a safe relative path")
    return path
