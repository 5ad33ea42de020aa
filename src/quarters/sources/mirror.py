"""What every source is read from: a git repository of our own, whatever kind of source fills it."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import aclosing

import msgspec

from quarters.model.errors import RecipeInvalid
from quarters.sources.archive import deterministic
from quarters.sources.commands import TooLarge
from quarters.sources.errors import SourceUnreachable
from quarters.sources.folder import Folder, Wanted
from quarters.sources.git import Git
from quarters.sources.locations import UNFIT

HEAD = "refs/quarters/head"
"""The revision that a source stands at."""
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


class Mirror:
    """Recipes as sources had them: commits of a bare repository, whose top-level folders are recipes.

    A revision that it has named once stays readable. The folders' tree ids are the recipes' fingerprints. Every method
    raises SourceUnreachable with a sentence when it cannot answer.
    """

    def __init__(self, git: Git, wanted: Wanted) -> None:
        self.git = git
        self._wanted = wanted

    async def listing(self, revision: str) -> dict[str, str]:
        """Every top-level folder that holds the marker, with its tree id."""
        (root,) = await self.git.objects([f"{revision}^{{tree}}"])
        if root is None:
            raise SourceUnreachable(f"Revision {revision} is not in the repository any more.")
        folders = [entry for entry in _entries(root, len(revision) // 2) if entry.is_folder]
        trees = await self.git.objects([folder.id for folder in folders])
        return {
            folder.name: folder.id
            for folder, tree in zip(folders, trees, strict=True)
            if tree is not None and self._is_recipe(tree, len(revision) // 2)
        }

    def _is_recipe(self, tree: bytes, id_length: int) -> bool:
        return any(
            entry.name == self._wanted.marker and not entry.is_folder for entry in _entries(tree, id_length)
        )

    async def file(self, revision: str, path: str) -> bytes:
        """A file of the tree that is not in any recipe's folder; nothing where there is none, or none of a sane size."""
        if not revision:
            return b""
        # git-ls-tree(1), -l: mode, type, id and, for a file, its size; nothing at all for what is not there.
        entry = (await self.git.run("ls-tree", "-l", revision, "--", path)).decode().split()
        plain = len(entry) > 3 and entry[0] in _REGULAR and int(entry[3]) <= self._wanted.limit
        return (await self.git.objects([entry[2]]))[0] or b"" if plain else b""

    async def folders(self) -> dict[str, str]:
        """The top-level folders that it stands at, recipes or not, with their tree ids; none before the first fetch."""
        found = await self.git.run("for-each-ref", "--format=%(tree)", HEAD)
        (root,) = await self.git.objects([found.decode().strip()]) if found else (b"",)
        ids = (entry for entry in _entries(root or b"", len(found.strip()) // 2) if entry.is_folder)
        return {entry.name: entry.id for entry in ids}

    async def read(self, revision: str, paths: Sequence[str]) -> dict[str, Folder]:
        """The wanted files; links and too large files make the folder a problem."""
        folders = {path: Folder(problem=_unfit(path)) for path in paths if UNFIT.search(path)}
        fit = [path for path in paths if path not in folders]
        files = await self._entries_of(revision, fit)
        blobs = sorted(
            {entry.id for entries in files.values() for entry in entries if entry.mode in _REGULAR}
        )
        sizes = dict(zip(blobs, await self.git.sizes(blobs), strict=True))
        small = [blob for blob in blobs if sizes[blob] <= self._wanted.limit]
        contents = dict(zip(small, await self.git.objects(small), strict=True))
        for path, entries in files.items():
            folders[path] = _folder(entries, sizes, contents)
        return folders

    async def _entries_of(self, revision: str, paths: Sequence[str]) -> dict[str, list[TreeEntry]]:
        """The entries of the wanted files, whose names are paths from the recipe's folder."""
        wanted = {self._wanted.marker, *self._wanted.others}
        below = sorted({name.rpartition("/")[0] for name in wanted})
        places = [(path, folder) for path in paths for folder in below]
        trees = await self.git.objects([f"{revision}:{path}/{folder}".rstrip("/") for path, folder in places])
        found: dict[str, list[TreeEntry]] = {path: [] for path in paths}
        for (path, folder), tree in zip(places, trees, strict=True):
            prefix = f"{folder}/" if folder else ""
            for entry in _entries(tree or b"", len(revision) // 2):
                if f"{prefix}{entry.name}" in wanted and not entry.is_folder:
                    found[path].append(msgspec.structs.replace(entry, name=f"{prefix}{entry.name}"))
        return found

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
        async with aclosing(self.git.lines("log", *arguments, *revisions, "--")) as lines:
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
            found = await self.git.run("archive", "--format=tar", f"{revision}:{path}", limit=_LARGEST_FOLDER)
        except TooLarge:
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
