"""The kind `tree`: a git repository with a folder for each pkgbase."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from quarters.model.errors import Invalid, RecipeInvalid
from quarters.model.source import Source
from quarters.sources.archive import deterministic
from quarters.sources.git import Git, GitTooLarge
from quarters.sources.source import Folder, SourceUnreachable, Wanted

_REF = "refs/quarters/head"
# What git-check-ref-format(1) allows, less what only looks odd.
_BRANCH = re.compile(
    r"(?!-)(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\/.][^\x00-\x20\x7f~^:?*\[\\]*(?<![/.])"
)
_UNFIT = re.compile(r"[\x00-\x1f\x7f\"\\]")
"""What a folder's name may not hold: it goes into git's line protocols, into file names and before people's eyes."""
_AUTHOR = "\x01"
_LONGEST_AUTHOR = 256
"""It becomes PACKAGER, in packages and in the environment of builds."""
_LARGEST_FOLDER = 128 << 20
"""Bytes that a recipe's folder may have, held in memory while it is handed on; sources belong elsewhere."""
_REGULAR = ("100644", "100755", "100664")


class TreeEntry(msgspec.Struct, frozen=True):
    """One line of a git tree object."""

    mode: str
    name: str
    id: str

    @property
    def is_folder(self) -> bool:
        """Whether it is a tree of its own."""
        return self.mode in ("40000", "040000")


class TreeKind:
    """Opens git repositories, each git command getting `timeout` seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def check(self, source: Source) -> None:
        """Raise Invalid where git could take the location or the branch for something else."""
        if not source.location or source.location.startswith("-") or _UNFIT.search(source.location):
            raise Invalid(f"{source.location!r} is not the location of a git repository.")
        if "::" in source.location.partition("/")[0]:
            raise Invalid(
                "A location cannot name a git remote helper; use a path, or a file, ssh or https URL."
            )
        if not source.location.startswith("/") and ":" not in source.location:
            raise Invalid(f"{source.location!r} is neither a URL nor an absolute path.")
        if source.branch and not _BRANCH.fullmatch(source.branch):
            raise Invalid(f"{source.branch!r} is not a valid branch name.")

    def open(self, source: Source, folder: Path, wanted: Wanted) -> "Tree":
        """The repository at the source's location, kept as a bare one in `folder`."""
        self.check(source)
        return Tree(source.location, source.branch, Git(folder, self._timeout), wanted)


class Tree:
    """One git repository: its top-level folders are recipes, their tree ids the fingerprints."""

    def __init__(self, location: str, branch: str, git: Git, wanted: Wanted) -> None:
        self._location = location
        self._branch = branch
        self._git = git
        self._wanted = wanted

    async def fetch(self) -> str:
        """Fetch the branch, or the one that the repository calls its HEAD; a forced push is nothing special."""
        await self._git.prepare()
        wanted = f"refs/heads/{self._branch}" if self._branch else "HEAD"
        try:
            await self._git.run(
                "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--force", "--",
                self._location, f"+{wanted}:{_REF}",
            )  # fmt: skip
        except SourceUnreachable as error:
            if "couldn't find remote ref" in str(error):
                raise SourceUnreachable(self._missing()) from None
            raise
        return (await self._git.run("rev-parse", "--verify", f"{_REF}^{{commit}}")).decode().strip()

    def _missing(self) -> str:
        if self._branch:
            return f"The repository has no branch {self._branch!r}."
        return "The repository is empty: it has no commit yet."

    async def listing(self, revision: str) -> dict[str, str]:
        """Every top-level folder that holds the marker, with its tree id."""
        (root,) = await self._git.objects([f"{revision}^{{tree}}"])
        if root is None:
            raise SourceUnreachable(f"Revision {revision} is not in the repository any more.")
        folders = [entry for entry in _entries(root, len(revision) // 2) if entry.is_folder]
        trees = await self._git.objects([folder.id for folder in folders])
        return {
            folder.name: folder.id
            for folder, tree in zip(folders, trees, strict=True)
            if tree is not None and self._is_recipe(tree, len(revision) // 2)
        }

    def _is_recipe(self, tree: bytes, id_length: int) -> bool:
        return any(
            entry.name == self._wanted.marker and not entry.is_folder for entry in _entries(tree, id_length)
        )

    async def read(self, revision: str, paths: Sequence[str]) -> dict[str, Folder]:
        """The wanted files; links and too large files make the folder a problem."""
        folders = {path: Folder(problem=_unfit(path)) for path in paths if _UNFIT.search(path)}
        fit = [path for path in paths if path not in folders]
        trees = await self._git.objects([f"{revision}:{path}" for path in fit])
        names = (self._wanted.marker, *self._wanted.others)
        files: dict[str, list[TreeEntry]] = {}
        for path, tree in zip(fit, trees, strict=True):
            found = _entries(tree or b"", len(revision) // 2)
            files[path] = [entry for entry in found if entry.name in names and not entry.is_folder]
        blobs = sorted(
            {entry.id for entries in files.values() for entry in entries if entry.mode in _REGULAR}
        )
        sizes = dict(zip(blobs, await self._git.sizes(blobs), strict=True))
        small = [blob for blob in blobs if sizes[blob] <= self._wanted.limit]
        contents = dict(zip(small, await self._git.objects(small), strict=True))
        for path, entries in files.items():
            folders[path] = _folder(entries, sizes, contents)
        return folders

    async def authors(self, revision: str, paths: Sequence[str], since: str) -> dict[str, str]:
        """Who wrote the newest commit that touches each of `paths`; merges do not count.

        One walk over what is new, and where that does not tell (after a forced push, say) one over everything.
        """
        missing = set(paths)
        found: dict[str, str] = {}
        ranges = [[revision, f"^{since}"], [revision]] if since else [[revision]]
        for revisions in ranges:
            if missing:
                await self._walk(revisions, missing, found)
        return found

    async def _walk(self, revisions: list[str], missing: set[str], found: dict[str, str]) -> None:
        arguments = ("--no-merges", "--no-renames", "--name-only", f"--format={_AUTHOR}%an <%ae>")
        author = ""
        async with aclosing(self._git.lines("log", *arguments, *revisions, "--")) as lines:
            async for line in lines:
                if line.startswith(_AUTHOR):
                    author = "".join(letter for letter in line if letter.isprintable())
                    author = author if len(author) <= _LONGEST_AUTHOR else ""
                    continue
                top = line.partition("/")[0]
                if top in missing:
                    missing.discard(top)
                    found[top] = author
                    if not missing:
                        return

    async def archive(self, revision: str, path: str) -> bytes:
        """A folder as a tar archive, its files at the top; the same bytes for the same files.

        RecipeInvalid where it is too large.
        """
        try:
            found = await self._git.run(
                "archive", "--format=tar", f"{revision}:{path}", limit=_LARGEST_FOLDER
            )
        except GitTooLarge:
            raise RecipeInvalid(
                f"The recipe's folder has more than {_LARGEST_FOLDER >> 20} MiB, too much to hand it on."
            ) from None
        return await asyncio.to_thread(deterministic, found)


def _entries(tree: bytes, id_length: int) -> Iterator[TreeEntry]:
    """Read a tree object (gitformat: mode, space, name, NUL, the id's bytes)."""
    at = 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, _, name = tree[at:end].partition(b" ")
        at = end + 1 + id_length
        yield TreeEntry(mode.decode(), name.decode(errors="backslashreplace"), tree[end + 1 : at].hex())


def _folder(entries: list[TreeEntry], sizes: dict[str, int], contents: dict[str, bytes | None]) -> Folder:
    files: dict[str, bytes] = {}
    for entry in entries:
        if entry.mode not in _REGULAR:
            return Folder(problem=f"{entry.name} is a symbolic link; it must be a plain file.")
        content = contents.get(entry.id)
        if content is None:
            return Folder(problem=f"{entry.name} is too large: {sizes[entry.id]} bytes.")
        files[entry.name] = content
    return Folder(files)


def _unfit(path: str) -> str:
    return f"The folder's name, {path!r}, holds characters that no recipe's folder may have."
