"""The folder that one attempt works in, gone when it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from quarters.builder import rootless
from quarters.builder.cleanup import to_the_end

BUILD = "build"
"""HOME and BUILDDIR in the root."""
RECIPE = "recipe"
SOURCES = "sources"
OUT = "out"
CCACHE = "ccache"
OWN = (BUILD, RECIPE, SOURCES, OUT)
"""Folders at the top of the root that belong to the build user."""


class Workspace(msgspec.Struct, frozen=True):
    """`uid` is the user that the build is outside of its root; everything in `folder` is out of that user's reach."""

    folder: Path
    uid: int

    @property
    def archive(self) -> Path:
        """The recipe as the server sent it."""
        return self.folder / "recipe.tar"

    @property
    def log(self) -> Path:
        """The log, until the server has it."""
        return self.folder / "log"

    @property
    def built(self) -> Path:
        """What is left to be sent, and under which lease; there only after the packages were built."""
        return self.folder / "built.json"

    @property
    def changes(self) -> Path:
        """What the attempt wrote into its root, at the paths that it has there."""
        return self.folder / "changes"

    @property
    def point(self) -> Path:
        """Where the root is put together, in a mount namespace of its own."""
        return self.folder / "root"

    @property
    def artifacts(self) -> Path:
        """Finished package files, out of the build's reach."""
        return self.folder / "artifacts"

    def changed(self, name: str) -> Path | None:
        """The folder `name` among the changes, if it is one; never what a link that a build made leads to."""
        path = self.changes
        for part in Path(name).parts:
            path = path / part
            if path.is_symlink() or not path.is_dir():
                return None
        return path


@asynccontextmanager
async def prepared(work: Path, name: str, uid: int) -> AsyncIterator[Workspace]:
    """A fresh workspace `name` below `work`; removed on every way out, unless there is something left to be sent."""
    workspace = Workspace(work / name, uid)
    await remove(workspace.folder)
    workspace.folder.mkdir(mode=0o700, parents=True)
    async with left(workspace):
        for folder in (workspace.changes, workspace.point, workspace.artifacts):
            folder.mkdir()
        workspace.changes.chmod(0o755)
        yield workspace


@asynccontextmanager
async def left(workspace: Workspace) -> AsyncIterator[None]:
    """Meanwhile, work in a workspace that is there; afterwards it is removed, as above."""
    try:
        yield
    finally:
        if not workspace.built.exists():
            await to_the_end(remove(workspace.folder))


async def stripped(workspace: Workspace) -> None:
    """Remove everything but what is left to be sent."""
    needed = (workspace.built, workspace.log, workspace.artifacts)
    for path in workspace.folder.iterdir():
        if path not in needed:
            await remove(path)


async def remove(folder: Path) -> None:
    """Delete `folder` with all in it, however deep a build nested it, and nothing that is mounted there."""
    process = await asyncio.create_subprocess_exec(
        *rootless.as_root("rm", "-rf", "--one-file-system", "--", str(folder)),
        stdin=asyncio.subprocess.DEVNULL,
        env={"PATH": PATH},
    )
    await process.wait()


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where this machine's own tools are found, whatever the builder's environment says."""
