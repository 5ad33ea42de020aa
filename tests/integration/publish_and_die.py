"""Publishes in processes that kill themselves at every step that touches the disk, and looks at what each left.

Run with an empty folder; prints one line of JSON for every step. Forked from one process that has everything imported
and no threads, since starting Python for each step would take minutes.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from quarters.storage.database import Database
from tests.press import Press, package, recipe

_CHANGING = frozenset(
    {
        "os.rename",
        "os.link",
        "os.mkdir",
        "os.remove",
        "os.rmdir",
        "os.utime",
        "os.chmod",
        "os.symlink",
        "shutil.rmtree",
    }
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


async def _prepare(folder: Path) -> None:
    database = Database(f"sqlite:///{folder / 'quarters.db'}")
    await database.open()
    press = Press(database, folder)
    await press.repository()
    await press.published(recipe("old"), package("old"))
    # Two packages, one large enough to be signed by a process of its own.
    large = package("large", base="new", text="x" * 100 + os.urandom(5 << 19).hex())
    await press.delivered(recipe("new", "new", "large"), package("new"), large)
    await database.close()


def die_at(fatal: int, within: Path = Path("/")) -> Callable[[], None]:
    """Kill this process at the `fatal`-th step from now on that touches the disk, unless what is returned is called.

    Steps are counted that name something `within` a folder.
    """
    seen, alive = 0, False

    def die(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in _CHANGING or (event == "open" and arguments[2] & _WRITING):
            if not any(str(it).startswith(str(within)) for it in arguments):
                return
            seen += 1
            if seen == fatal and not alive:
                os.kill(os.getpid(), signal.SIGKILL)

    def survive() -> None:
        nonlocal alive
        alive = True

    sys.addaudithook(die)
    return survive


async def _publish(folder: Path, fatal: int) -> None:
    database = Database(f"sqlite:///{folder / 'quarters.db'}")
    await database.open()
    press = Press(database, folder)
    survive = die_at(fatal)
    await press.deliveries.publish_ready()
    survive()  # closing the database is no part of it
    await database.close()


async def _look(folder: Path) -> None:
    database = Database(f"sqlite:///{folder / 'quarters.db'}")
    await database.open()
    press = Press(database, folder)
    await press.publisher.recover()
    left, state = await press.listed(), (await press.build(2)).state
    for name, version in left.items():
        file_name = f"{name}-{version}-x86_64.pkg.tar.gz"
        path, size = await press.shelf.package_file("own", None, "x86_64", file_name)
        if path.stat().st_size != size or not await press.shelf.signature("own", None, "x86_64", file_name):
            raise SystemExit(f"{name} is listed, but its files are not there")
    await press.deliveries.publish_ready()
    report = {
        "left": sorted(left),
        "state": state,
        "then": sorted(await press.listed()),
        "ended": (await press.build(2)).state,
        "unfinished": sorted(str(it) for it in folder.rglob(".new-*")),
        "snapshots": [it.number for it in (await press.history.list("own", 10, None)).items],
    }
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()
    await database.close()


def forked(work: Coroutine[Any, Any, None]) -> int:
    """Do it in a process of its own; returns its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(work)
            code = 0
        finally:
            os._exit(code)
    work.close()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder: Path) -> None:
    """Die at the first step, then at the second, and so on until a publish survives."""
    template = folder / "template"
    template.mkdir()
    if forked(_prepare(template)) != 0:
        raise SystemExit("preparing failed")
    for fatal in range(1, 1000):
        scene = folder / str(fatal)
        shutil.copytree(template, scene)
        code = forked(_publish(scene, fatal))
        if forked(_look(scene)) != 0:
            raise SystemExit(f"after dying at step {fatal} nothing could be read")
        shutil.rmtree(scene)
        if code != -signal.SIGKILL:
            raise SystemExit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
