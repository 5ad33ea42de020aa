"""Writing down, as commits of the mirror, what a source without commits of its own looks like now."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from quarters.sources.git import Git
from quarters.sources.mirror import HEAD

_US = "Quarters <quarters@localhost>"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A folder as it is now: a tree that the mirror holds already, or files by their paths within it; None: gone.

    `author` is `Name <mail>`, `at` seconds since 1970.
    """

    folder: str
    content: str | Mapping[str, "File"] | None
    author: str = ""
    message: str = ""
    at: int = 0


class File(msgspec.Struct, frozen=True):
    """A file's bytes; a link's are where it points to."""

    data: bytes
    mode: str = "100644"


async def record(git: Git, changes: Sequence[Change]) -> str:
    """Commit each of `changes` on top of what the mirror stands at; the revision that it stands at then.

    All of them become visible at once (git-fast-import(1) sets the ref when its stream is done).
    """
    parent = await _head(git)
    if changes or not parent:
        await git.run("fast-import", "--quiet", "--done", stdin=b"".join(written(HEAD, changes, parent)))
        parent = await _head(git)
    return parent


async def _head(git: Git) -> str:
    return (await git.run("for-each-ref", "--format=%(objectname)", HEAD)).decode().strip()


def written(ref: str, changes: Sequence[Change], parent: str = "") -> Iterator[bytes]:
    """What git-fast-import(1) reads: a commit on `ref` for each of `changes`, the first on top of `parent`."""
    begin = parent
    for change in changes or [Change(folder="", content=None)]:
        yield f"commit {ref}\n".encode()
        yield f"author {_person(change.author)} {change.at} +0000\n".encode()
        yield f"committer {_US} {change.at} +0000\n".encode()
        yield _data(change.message.encode())
        if begin:
            yield f"from {begin}\n".encode()
            begin = ""
        if change.folder:
            yield from _folder(change.folder, change.content)
    yield b"done\n"


def _folder(folder: str, content: str | Mapping[str, File] | None) -> Iterator[bytes]:
    if isinstance(content, str):
        yield f"M 040000 {content} {_quoted(folder)}\n".encode()
        return
    yield f"D {_quoted(folder)}\n".encode()
    for path, file in sorted((content or {}).items()):
        yield f"M {file.mode} inline {_quoted(f'{folder}/{path}')}\n".encode() + _data(file.data)


def _data(data: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(data), data)


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _person(author: str) -> str:
    name, _, mail = author.rstrip(">").rpartition(" <")
    clean = ["".join(it for it in part if it.isprintable() and it not in "<>") for part in (name, mail)]
    return f"{clean[0]} <{clean[1]}>" if all(clean) else _US
