"""Roots unpacked from an image: a tar archive on this machine, or one that a container engine fetches and hands out."""

import asyncio
import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from quarters.builder.engine.api import Api, EngineError
from quarters.builder.engine.containers import Containers, Plan
from quarters.builder.engine.images import Images
from quarters.builder.failure import BuilderUnusable
from quarters.builder.root import archive

_LABEL = "quarters.root"
_PIECE = 1 << 20


class Image:
    """`image` is a path, or a name that the engine at the address `engine` knows or pulls."""

    def __init__(self, image: str, engine: str) -> None:
        self._image = image
        self._engine = engine

    def origin(self) -> str:
        """Of the name and, for a file, of when it was written."""
        told = self._image
        if self._is_file:
            try:
                told += str(Path(self._image).stat().st_mtime_ns)
            except OSError as error:
                raise BuilderUnusable(
                    f"root.image: {self._image} cannot be read: {error.strerror}."
                ) from error
        return hashlib.sha256(told.encode()).hexdigest()

    async def make(self, folder: Path) -> None:
        """Unpack it, with owners and modes; no device is made."""
        if self._is_file:
            await archive.unpack(Path(self._image), folder)
            return
        # Beside the root, where there is room for gigabytes.
        with TemporaryDirectory(prefix="image-", dir=folder.parent) as place:
            file = Path(place, "root.tar")
            await self._export(file)
            await archive.unpack(file, folder)

    @property
    def _is_file(self) -> bool:
        return self._image.startswith((".", "/", "~"))

    async def _export(self, file: Path) -> None:
        try:
            api = Api(self._engine)
            try:
                identity = await Images(api).pull(self._image)
                await _export(api, identity, file)
            finally:
                await api.close()
        except EngineError as error:
            raise BuilderUnusable(f"root.image: {self._image} cannot be had: {error}") from error


async def _export(api: Api, image: str, file: Path) -> None:
    """Write all files of `image` to a tar archive."""
    containers = Containers(api)
    container = await containers.create(Plan(image=image, network="none", labels={_LABEL: image}))
    try:
        async with api.opened("GET", f"/containers/{container}/export") as answer:
            with file.open("wb") as archive:
                async for piece in answer.content.iter_chunked(_PIECE):
                    await asyncio.to_thread(archive.write, piece)
    finally:
        await containers.remove(container)
