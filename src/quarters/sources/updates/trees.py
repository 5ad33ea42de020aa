"""Git trees made from others and from files, all within a source's mirror."""

import io
import stat
import tarfile
from collections.abc import Mapping
from uuid import uuid4

from quarters.planning.review import RECIPE
from quarters.sources.configuration import NAME
from quarters.sources.git import Git
from quarters.sources.recording import Change, File, written

_OWN = frozenset({".quarters", ".CI", NAME, ".gitignore"})
"""What a tree keeps in a folder whatever its upstream has; nothing of these names is taken from there."""
SRCINFO = ".SRCINFO"

Entries = dict[str, str]
"""By name, what git-mktree(1) wants to read before it: mode, type, object."""


async def entries(git: Git, tree: str) -> Entries:
    """What is right in a tree."""
    printed = await git.run("ls-tree", "-z", tree) if tree else b""
    lines = (line.partition("\t") for line in printed.decode(errors="surrogateescape").split("\0") if line)
    return {name: told for told, _, name in lines}


async def made(git: Git, held: Entries) -> str:
    """A tree with these entries."""
    lines = "".join(f"{told}\t{name}\0" for name, told in held.items())
    printed = await git.run("mktree", "-z", stdin=lines.encode(errors="surrogateescape"))
    return printed.decode().strip()


async def taken_over(git: Git, mine: str, theirs: str) -> str:
    """The folder `mine` with the files of an upstream's `theirs`, but for what a tree keeps to itself."""
    own = {name: told for name, told in (await entries(git, mine)).items() if name in _OWN}
    others = {name: told for name, told in (await entries(git, theirs)).items() if name not in _OWN}
    return await made(git, others | own)


async def with_file(git: Git, tree: str, name: str, content: bytes) -> str:
    """The tree with a file in its top folder written anew; a mode that it had stays."""
    held = await entries(git, tree)
    mode = held[name].split()[0] if name in held and " blob " in held[name] else "100644"
    blob = (await git.run("hash-object", "-w", "--stdin", stdin=content)).decode().strip()
    return await made(git, held | {name: f"{mode} blob {blob}"})


async def from_archive(git: Git, archive: bytes) -> str:
    """The tree of a tar archive's plain files and links."""
    return await _written(git, _files(archive))


async def _written(git: Git, files: Mapping[str, File]) -> str:
    ref = f"refs/quarters/drafts/{uuid4().hex}"
    stream = written(ref, [Change(folder="draft", content=files)])
    await git.run("fast-import", "--quiet", "--done", stdin=b"".join(stream))
    tree = (await git.run("rev-parse", "--verify", f"{ref}:draft")).decode().strip()
    await git.run("update-ref", "-d", ref)
    return tree


def _files(archive: bytes) -> dict[str, File]:
    found: dict[str, File] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        for member in members:
            name = member.name.removeprefix("./")
            parts = name.split("/")
            if not name or ".git" in parts or any(it in ("", ".", "..") for it in parts):
                continue
            if member.issym():
                found[name] = File(member.linkname.encode(), "120000")
            elif member.isreg() and (file := members.extractfile(member)) is not None:
                found[name] = File(file.read(), "100755" if member.mode & stat.S_IXUSR else "100644")
    return found


async def text(git: Git, tree: str, name: str = RECIPE) -> str | None:
    """A file of the top folder, None if there is none."""
    (content,) = await git.objects([f"{tree}:{name}"])
    return None if content is None else content.decode(errors="surrogateescape")


def encoded(text: str) -> bytes:
    """The bytes of what `text` gave, whatever their encoding is."""
    return text.encode(errors="surrogateescape")
