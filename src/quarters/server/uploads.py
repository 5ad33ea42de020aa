"""Uploaded files on their way in: kept only while somebody looks at them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import FileIO
from pathlib import Path
from tempfile import mkstemp

from quarters.storage import durable


class Uploads:
    """A folder on the file system of the package files, so that an accepted file is moved and not copied."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self.limit = limit

    @asynccontextmanager
    async def received(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[Path]:
        """A file of everything that comes, gone afterwards; raises StorageFull."""
        with durable.disk_trouble_told(self._folder / "upload"):
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = mkstemp(dir=self._folder, prefix="upload-")
        path = Path(name)
        try:
            with durable.disk_trouble_told(path), FileIO(descriptor, "w") as file:
                async for chunk in chunks:
                    await asyncio.to_thread(_write, file, chunk)
            path.chmod(0o644)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what a killed server left."""
        for path in self._folder.glob("upload-*"):
            path.unlink(missing_ok=True)


def _write(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
