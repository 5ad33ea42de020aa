"""Tar archives, as engines take files and folders."""

import asyncio
import io
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path

from quarters.builder.engine.api import EngineError
from quarters.builder.workspace import PATH

_PIECE = 1 << 20


def of_files(files: Mapping[str, str | bytes | Path]) -> bytes:
    """Files of root's that everybody may read, by their paths; a Path is a file, with its mode, or a folder's files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            if isinstance(content, Path):
                archive.add(content, name, filter=_of_root)
                continue
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def of_folders(folders: Iterable[tuple[str, int, int]]) -> bytes:
    """Empty folders: path, mode, and the user and group that each belongs to."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, mode, owner in folders:
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.uid, member.gid = tarfile.DIRTYPE, mode, owner, owner
            archive.addfile(member)
    return stream.getvalue()


async def of_place(place: Path) -> AsyncIterator[bytes]:
    """The archive at `place` as it is, or an archive of the folder `place` with all owners and modes."""
    if place.is_dir():
        async for piece in _packed(place):
            yield piece
        return
    with place.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece


async def _packed(folder: Path) -> AsyncIterator[bytes]:
    process = await asyncio.create_subprocess_exec(
        "tar", "--create", "--numeric-owner", "--one-file-system", "--directory", str(folder), ".",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env={"PATH": PATH, "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert process.stdout is not None  # noqa: S101
    try:
        while piece := await process.stdout.read(_PIECE):
            yield piece
        if await process.wait():
            raise EngineError(f"{folder} cannot be packed for the container engine.")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    # Sockets of gpg's agents are nothing to copy.
    return member if member.isfile() or member.isdir() or member.issym() else None
