"""Two states of a recipe's folder side by side: all their files, and the difference as people read it."""

from quarters.sources.commands import TooLarge
from quarters.sources.errors import SourceUnreachable
from quarters.sources.mirror import Mirror

_LARGEST = 1 << 20
"""Bytes of a file that are looked at; a larger one is known by its id alone."""
_MOST = 64 << 20
_LONGEST = 4 << 20
"""Bytes of a difference that are shown."""
# So that nobody hides a line of the PKGBUILD behind a large file: git takes those for binary ones.
_WITHOUT_LARGE = ("-c", "core.bigFileThreshold=64k")
EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The id that git gives a tree without files."""


async def files(mirror: Mirror, tree: str) -> dict[str, bytes]:
    """Every file of a tree ("" for none) by its path; of what is too large, or a link, something that tells it apart."""
    if not tree:
        return {}
    printed = await mirror.git.run("ls-tree", "-r", "-z", "--long", tree)
    found: dict[str, bytes] = {}
    wanted: dict[str, str] = {}
    room = _MOST
    for line in filter(None, printed.decode(errors="backslashreplace").split("\0")):
        told, _, path = line.partition("\t")
        mode, kind, identity, size = told.split()
        room -= int(size) if size.isdigit() else 0
        if kind == "blob" and mode != "120000" and int(size) <= _LARGEST and room >= 0:
            wanted[path] = identity
        else:
            found[path] = f"\0{mode} {identity}".encode()
        if mode == "100755":
            found[f"{path} (mode)"] = b"executable"
    contents = await mirror.git.objects(list(wanted.values()))
    return found | {path: content or b"" for path, content in zip(wanted, contents, strict=True)}


async def difference(mirror: Mirror, before: str, after: str) -> str:
    """A unified diff between two trees ("" for one without files), as git has it; nothing of the trees is run."""
    for options in ((), _WITHOUT_LARGE):
        try:
            printed = await mirror.git.run(
                *options, "diff-tree", "-p", "-r", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames",
                before or EMPTY, after or EMPTY, limit=_LONGEST,
            )  # fmt: skip
        except TooLarge:
            continue
        return printed.decode(errors="replace")
    return f"The difference has more than {_LONGEST >> 20} MiB.\n"


async def tree_of(mirror: Mirror, revision: str, path: str) -> str:
    """The id of a folder's tree, "" if it is not there."""
    try:
        return (
            (await mirror.git.run("rev-parse", "--verify", "--quiet", f"{revision}:{path}")).decode().strip()
        )
    except SourceUnreachable:
        return ""
