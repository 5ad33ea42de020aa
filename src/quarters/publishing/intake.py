"""The way of one verified package file into the store: kept by content, and signed before any index names it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from quarters.formats.format import Formats
from quarters.model.repository import PackageFile
from quarters.publishing.keys import KeyRing
from quarters.storage import garbage
from quarters.storage.database import Database
from quarters.storage.package_files import PackageFiles
from quarters.storage.packages import Addition

_NONE: Mapping[str, bytes] = {}


class Intake:
    """Takes package files in; what is taken in and never listed harms nobody."""

    def __init__(self, database: Database, files: PackageFiles, keys: KeyRing, formats: Formats) -> None:
        self._database = database
        self._files = files
        self._keys = keys
        self.formats = formats

    async def take(
        self,
        path: Path,
        file: PackageFile,
        *,
        build: int | None = None,
        fingerprint: str = "",
        signatures: Mapping[str, bytes] = _NONE,
    ) -> Addition:
        """Keep the file at `path`, which was verified to be `file`; StorageFull."""
        # Whoever finds it marked might be about to remove it; whoever marks it from now on waits for long.
        if await self._database.read(garbage.marked, file.sha256):
            await self._database.write(garbage.spare, file.sha256)
        await asyncio.to_thread(self._files.add, path, file.sha256)
        signer = self._keys.signer()
        signature = await asyncio.to_thread(signer.sign_file, self._files.path(file.sha256))
        return Addition(
            file=file,
            signatures={**signatures, signer.fingerprint: signature},
            build=build,
            fingerprint=fingerprint,
        )

    async def recover(self) -> None:
        """Remove what a killed process left unfinished; before anything is taken in."""
        await asyncio.to_thread(self._files.sweep)
