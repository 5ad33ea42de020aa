"""Rolls back, promotes and cleans in processes that kill themselves at every step that touches the disk.

Run with an empty folder; prints one line of JSON for every step, with what a check then finds.
"""

import json
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from quarters.model.errors import Conflict
from quarters.protocol.resources import RepositoryChange
from quarters.protocol.snapshots import Promotion
from quarters.storage.database import Database
from tests.integration.publish_and_die import die_at, forked
from tests.press import NOON, Press, package

REPOSITORIES = ("own", "final")


async def _opened(folder: Path) -> Press:
    database = Database(f"sqlite:///{folder / 'quarters.db'}")
    await database.open()
    press = Press(database, folder)
    press.clock.at = NOON + timedelta(days=9)
    return press


async def _prepare(folder: Path) -> None:
    press = await _opened(folder)
    press.clock.at = NOON
    for name in REPOSITORIES:
        await press.repository(name)
    for version in ("1-1", "2-1", "3-1", "4-1"):
        await press.upload(package("greet", version))
    await press.swap.tidied()
    await press.database.close()


async def _roll_back(press: Press) -> None:
    await press.publisher.rollback("own", 2, "anna")


async def _promote(press: Press) -> None:
    await press.promotions.promote("own", Promotion(target="final"), "anna")


async def _clean(press: Press) -> None:
    await press.repositories.change("own", RepositoryChange(keep_versions=2))
    await press.retention.clean("own", dry_run=False, actor="anna")
    press.clock.at += timedelta(days=2)
    await press.retention.clean("own", dry_run=False, actor="anna")


OPERATIONS: dict[str, Callable[[Press], Awaitable[None]]] = {
    "rollback": _roll_back,
    "promotion": _promote,
    "cleaning": _clean,
}


async def _operate(folder: Path, name: str, fatal: int) -> None:
    press = await _opened(folder)
    survive = die_at(fatal)
    await OPERATIONS[name](press)
    await press.swap.tidied()
    survive()
    await press.database.close()


async def _look(folder: Path, name: str) -> None:
    press = await _opened(folder)
    await press.publisher.recover()
    left = {it: await press.listed(it) for it in REPOSITORIES}
    checks = [await press.inspector.check(it, repair=False, actor="anna") for it in REPOSITORIES]
    with suppress(Conflict):  # it was done already
        await OPERATIONS[name](press)
    then = {it: await press.listed(it) for it in REPOSITORIES}
    checks += [await press.inspector.check(it, repair=False, actor="anna") for it in REPOSITORIES]
    await press.swap.tidied()
    report = {
        "operation": name,
        "left": left,
        "then": then,
        "findings": [finding.sentence for it in checks for finding in it.findings],
        "files": sum(1 for it in (folder / "packages").rglob("*") if it.is_file()),
        "unfinished": [str(it) for it in folder.rglob(".new-*")],
    }
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()
    await press.database.close()


def main(folder: Path) -> None:
    """Die at the first step, then at the second, and so on until each operation survives."""
    template = folder / "template"
    template.mkdir()
    if forked(_prepare(template)) != 0:
        raise SystemExit("preparing failed")
    for name in OPERATIONS:
        for fatal in range(1, 1000):
            scene = folder / f"{name}-{fatal}"
            shutil.copytree(template, scene)
            code = forked(_operate(scene, name, fatal))
            if forked(_look(scene, name)) != 0:
                raise SystemExit(f"after dying at step {fatal} of {name} nothing could be read")
            shutil.rmtree(scene)
            if code != -signal.SIGKILL:
                if code != 0:
                    raise SystemExit(code)
                break


if __name__ == "__main__":
    main(Path(sys.argv[1]))
