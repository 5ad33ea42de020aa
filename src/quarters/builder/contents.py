"""What lies in a recipe's folder, as the archive that the server sent tells before anything is unpacked."""

import tarfile
from pathlib import Path

import msgspec

from quarters.builder.failure import BuildFailed
from quarters.model.build import Reason

_LONGEST = 1 << 20
"""Bytes of a PKGBUILD that are looked at."""


class Contents(msgspec.Struct, frozen=True):
    """The paths of its plain files, and the text of its PKGBUILD ("" where it has none)."""

    files: frozenset[str]
    pkgbuild: str


def read(archive: Path) -> Contents:
    """What `archive` holds; links do not count. BuildFailed where it is no archive."""
    try:
        with tarfile.open(archive) as tar:
            members = {member.name.removeprefix("./"): member for member in tar if member.isreg()}
            recipe = tar.extractfile(members["PKGBUILD"]) if "PKGBUILD" in members else None
            text = recipe.read(_LONGEST) if recipe else b""
    except tarfile.TarError as error:
        raise BuildFailed(Reason.RECIPE_INVALID, f"The recipe's files cannot be read: {error}.") from error
    return Contents(frozenset(members), text.decode(errors="replace"))
