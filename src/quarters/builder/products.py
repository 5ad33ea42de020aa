"""The package files that a build left, judged by what the recipe promised; exit codes can be forged, files cannot."""

import hashlib
import os
import re
import stat
from collections.abc import Collection
from pathlib import Path

import msgspec

from quarters.builder.failure import BuildFailed
from quarters.model.build import Reason
from quarters.model.text import plain
from quarters.protocol.builds import ArtifactDigest

SUFFIX = ".pkg.tar.zst"
_DEBUG = "-debug"
# makepkg: pkgname-[epoch:]pkgver-pkgrel-arch; only a pkgname may hold hyphens (PKGBUILD(5)). All of it is ASCII, while
# a build may leave files with any bytes but a zero and a slash in their names.
_PART = r"[!-,.-~]+"
_FILE_NAME = re.compile(
    rf"(?P<name>[!-~]+)-(?P<version>{_PART}-{_PART})-(?P<arch>{_PART})" + re.escape(SUFFIX)
)
_LARGEST = 16 << 30
"""Bytes of a package file: it is read to its end after the build's time stopped counting, and holes cost nothing."""
_NAMED = 20


class Product(msgspec.Struct, frozen=True):
    """A package file and what its name says."""

    path: Path
    name: str
    version: str
    arch: str


def promised(
    folder: Path, pkgbase: str, outputs: Collection[str], arch: str
) -> tuple[tuple[Product, ...], tuple[str, ...]]:
    """The one file of each of `outputs` in `folder`, with debugging symbols where the recipe makes such packages.

    Then the names of files that nobody asked for, fit to be printed. Raises BuildFailed with a sentence where a file
    is missing, too large or there twice; links and devices do not count.
    """
    found: dict[str, list[Product]] = {name: [] for name in outputs}
    symbols = {f"{name}{_DEBUG}" for name in (pkgbase, *outputs)}
    extra = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        product = _product(entry)
        if product is not None and product.name in found:
            found[product.name].append(product)
        elif product is not None and product.name in symbols:
            found[product.name] = [product]
        else:
            extra.append(plain(entry.name))
    for name, products in found.items():
        _refuse_unless_one(name, products, arch)
    if len(extra) > _NAMED:
        extra[_NAMED:] = [f"… and {len(extra) - _NAMED} more"]
    return tuple(products[0] for products in found.values()), tuple(extra)


def versions(listing: str, outputs: Collection[str]) -> set[str]:
    """The versions of `outputs` in a list of their paths; "" where one is missing."""
    named = [_FILE_NAME.fullmatch(line.rpartition("/")[2]) for line in listing.splitlines()]
    found = {match["name"]: match["version"] for match in named if match is not None}
    return {found.get(name, "") for name in outputs}


def _product(entry: os.DirEntry[str]) -> Product | None:
    match = _FILE_NAME.fullmatch(entry.name)
    if match is None or not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
        return None
    return Product(Path(entry.path), match["name"], match["version"], match["arch"])


def digest(path: Path) -> ArtifactDigest:
    """Size and SHA-256 of the file at `path`."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return ArtifactDigest(path.name, os.fstat(file.fileno()).st_size, sha256)


def _refuse_unless_one(name: str, products: list[Product], arch: str) -> None:
    if not products:
        raise BuildFailed(Reason.PACKAGE_FAILED, f"makepkg ended without a package file of {name}.")
    if len(products) > 1:
        names = " and ".join(product.path.name for product in products)
        raise BuildFailed(Reason.PACKAGE_FAILED, f"There is more than one package file of {name}: {names}.")
    if products[0].arch not in (arch, "any"):
        message = f"{products[0].path.name} is not for {arch}."
        raise BuildFailed(Reason.PACKAGE_FAILED, message)
    if products[0].path.lstat().st_size > _LARGEST:
        message = f"{products[0].path.name} is larger than {_LARGEST >> 30} GiB."
        raise BuildFailed(Reason.PACKAGE_FAILED, message)
