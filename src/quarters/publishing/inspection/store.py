"""The folder of package files: what lies in it and is none, or none that a row knows."""

import asyncio

from quarters.protocol.checks import Damage, Finding
from quarters.publishing.inspection.package import digest
from quarters.storage import garbage
from quarters.storage.database import Database
from quarters.storage.package_files import PackageFiles


class Strays:
    """What was found in the store without a row: `whole` files, whose content is what their name says, and the rest."""

    def __init__(self) -> None:
        self.whole: list[str] = []
        self.findings: list[Finding] = []
        self.names: list[str] = []
        """Of what is a finding, below the store's folder."""


async def strays(database: Database, files: PackageFiles) -> Strays:
    """Look through the store; a whole file without a row is no finding, as one that is being taken in looks the same."""
    found = Strays()
    for folder in await asyncio.to_thread(files.folders):
        there = await asyncio.to_thread(files.within, folder)
        for name in sorted(set(there) - await database.read(garbage.known, there)):
            try:
                whole = await asyncio.to_thread(digest, files.path(name)) == name
            except FileNotFoundError:
                continue  # collected meanwhile
            if whole:
                found.whole.append(name)
            else:
                _note(
                    found, f"{folder}/{name}", "is listed nowhere, and its content is not what its name says"
                )
        for path in await asyncio.to_thread(files.strange, folder):
            _note(found, f"{folder}/{path.name}", "does not belong there")
    for name in await asyncio.to_thread(files.outside):
        _note(found, name, "does not belong there")
    return found


def _note(found: Strays, name: str, what: str) -> None:
    sentence = f"{name} in the store of packages {what}."
    found.findings.append(Finding(damage=Damage.FILE_EXTRA, subject=name, sentence=sentence))
    found.names.append(name)
