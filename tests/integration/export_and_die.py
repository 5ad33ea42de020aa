"""Exports to a folder in processes that kill themselves at every step that touches the disk, and looks at what is served.

Run with the address of a server, an older export of its repository `own`, its public key, and an empty folder; prints
one line of JSON for every step. Forked from one process that has everything imported, as for publishing.
"""

import hashlib
import json
import shutil
import signal
import sys
from datetime import timedelta
from pathlib import Path

from pysequoia import Cert

from quarters.formats.pacman import Pacman
from quarters.protocol.client import Client
from quarters.publishing.signing import verification
from quarters.transfer.exporting import Exporter, Order
from quarters.transfer.targets.folder import Folder
from tests.integration.publish_and_die import die_at, forked
from tests.press import NOON


async def _export(url: str, target: Path) -> None:
    order = Order(repository="own", location=str(target), grace=timedelta(0))
    async with Client(url) as client:
        exporter = Exporter(client, Folder(str(target)), Pacman(), lambda: NOON, lambda *_: None)
        await exporter.run(order)


async def _die(url: str, target: Path, fatal: int) -> None:
    survive = die_at(fatal, target)
    await _export(url, target)
    survive()


async def _look(url: str, target: Path, key: Cert) -> None:
    left, missing = _served(target, key)
    await _export(url, target)
    then, missing_then = _served(target, key)
    there = sorted((target / "x86_64").glob("*.pkg.tar.gz"))
    report = {
        "left": left,
        "then": then,
        "missing": missing + missing_then,
        "packages": [it.name.removesuffix("-x86_64.pkg.tar.gz") for it in there],
        "unfinished": [str(it) for it in target.glob(".incoming-*")],
    }
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()


def _served(target: Path, key: Cert) -> tuple[dict[str, str], list[str]]:
    """What the index lists, after a check of every signature, and what of it is not there or not right."""
    folder = target / "x86_64"
    for name in ("own.db", "own.files"):
        verification.check(folder / name, (folder / f"{name}.sig").read_bytes(), [key], NOON)
    listed, missing = {}, []
    for it in Pacman().read_listing((folder / "own.db").read_bytes()):
        listed[it.name] = it.version
        path = folder / it.file_name
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != it.sha256:
            missing.append(it.file_name)
        else:
            verification.check(path, path.with_name(f"{path.name}.sig").read_bytes(), [key], NOON)
    return listed, missing


def main(url: str, template: Path, key: Cert, folder: Path) -> None:
    """Die at the first step, then at the second, and so on until an export survives."""
    for fatal in range(1, 1000):
        target = folder / str(fatal)
        shutil.copytree(template, target, symlinks=True)
        code = forked(_die(url, target, fatal))
        if forked(_look(url, target, key)) != 0:
            raise SystemExit(f"after dying at step {fatal} nothing could be read")
        shutil.rmtree(target)
        if code != -signal.SIGKILL:
            raise SystemExit(code)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Cert.from_bytes(Path(sys.argv[3]).read_bytes()), Path(sys.argv[4]))
