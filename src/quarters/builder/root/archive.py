"""Tar archives that hold a root: as it is, or in layers, as `docker save` and the OCI's image layout have them.

Layers go over each other in their order; a file `.wh.NAME` removes what the layers below have as NAME, and
`.wh..wh..opq` all that they have in its folder (OCI image specification, layer.md).
"""

import platform
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from quarters.builder import rootless
from quarters.builder.failure import BuilderUnusable
from quarters.builder.root import tools
from quarters.builder.workspace import remove

_DOCKER, _OCI = "manifest.json", "index.json"
_GONE, _ALL_GONE = ".wh.", ".wh..wh..opq"
# As the OCI's indexes name them (GOARCH).
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "riscv64": "riscv64"}


async def unpack(archive: Path, folder: Path) -> None:
    """Unpack the root in `archive` into the empty `folder`; BuilderUnusable if it is no such archive."""
    names = (await tools.run("bsdtar", "-tf", str(archive))).splitlines()
    if not {_DOCKER, _OCI} & {name.removeprefix("./") for name in names}:
        await _extract(archive, folder)
        return
    with TemporaryDirectory(prefix="layers-", dir=folder.parent) as place:
        await tools.run("bsdtar", "--no-same-owner", "-xf", str(archive), "-C", place)
        for layer in _layers(Path(place)):
            await _lay_over(layer, folder)


def _layers(image: Path) -> Sequence[Path]:
    try:
        if (image / _DOCKER).is_file():
            found = [str(name) for name in _json(image / _DOCKER)[0]["Layers"]]
        else:
            manifest = _manifest(image)
            found = [_blob(layer) for layer in manifest["layers"]]
        # Names in an archive are whatever its maker wrote.
        return [_within(image, name) for name in found]
    except (OSError, KeyError, IndexError, TypeError, msgspec.DecodeError) as error:
        raise BuilderUnusable(f"The image's list of layers cannot be read: {error!r}") from error


def _manifest(image: Path) -> Any:
    index = _json(image / _OCI)
    while "manifests" in index:
        wanted = _ARCHITECTURES.get(platform.machine(), platform.machine())
        fit = [
            it for it in index["manifests"] if it.get("platform", {}).get("architecture", wanted) == wanted
        ]
        index = _json(_within(image, _blob(fit[0])))
    return index


def _json(path: Path) -> Any:
    return msgspec.json.decode(path.read_bytes())


def _blob(descriptor: Any) -> str:
    return "blobs/" + str(descriptor["digest"]).replace(":", "/")


def _within(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise BuilderUnusable(f"The image names a layer {name}, which is outside of it.")
    return path


async def _lay_over(layer: Path, folder: Path) -> None:
    for name in map(PurePosixPath, (await tools.run("bsdtar", "-tf", str(layer))).splitlines()):
        if name.name == _ALL_GONE:
            for path in _folder(folder, name.parent).glob("*"):
                await remove(path)
        elif name.name.startswith(_GONE):
            await remove(_folder(folder, name.parent) / name.name.removeprefix(_GONE))
    await _extract(layer, folder)


def _folder(root: Path, name: PurePosixPath) -> Path:
    # Links of a layer below lead nowhere but within the root.
    return _within(root, str(name).lstrip("/"))


async def _extract(archive: Path, folder: Path) -> None:
    # bsdtar itself refuses names with `..` and ways through links. Builds get devices of their own.
    owners = ("--no-same-owner",) if rootless.is_needed() else ("--numeric-owner",)
    left_out = [
        part for name in ("dev/*", "./dev/*", _GONE + "*", f"*/{_GONE}*") for part in ("--exclude", name)
    ]
    await tools.run("bsdtar", "-xpf", str(archive), "-C", str(folder), *owners, *left_out)
