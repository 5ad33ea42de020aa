"""Package files (`.pkg.tar*`): read once, from the first byte to the last, and refused unless wholly sound."""

import hashlib
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

import msgspec

from quarters.formats.pacman import entry
from quarters.formats.pacman.compression import CHUNK, kind_of, unpacked
from quarters.formats.pacman.dependency import parse_dependency, parse_provision
from quarters.formats.pacman.libraries import Collector
from quarters.formats.pacman.tar import Kind, Member, Tar
from quarters.formats.pacman.tree import Tree
from quarters.model.errors import Invalid, PackageInvalid
from quarters.model.names import arch_name, package_name
from quarters.model.repository import PackageFile

# The pkgver in .PKGINFO is the full version. A hyphen in the middle would break every client's parting of name and version.
_VERSION = re.compile(r"(?:[0-9]+:)?[!-,.0-9;-~]+-[!-,.0-9;-~]+")
_FILE_NAME = re.compile(
    r"[A-Za-z0-9@_+][A-Za-z0-9@._+-]*-(?:[0-9]+:)?[!-,.0-9;-~]+-[!-,.0-9;-~]+-[a-z0-9_]+\.pkg\.tar(?:\.(gz|xz|zst))?"
)
_LONGEST_FILE_NAME = 255 - len(".sig")
_LONGEST_ENTRY = 150
"""`name-version` is a folder in an index, and a ustar header has 155 bytes for it."""

_PKGINFO_LIMIT = 1024 * 1024
_LONGEST_NUMBER = 19
"""Digits; with fewer, it fits into 64 bits, as pacman's and the database's numbers do."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How far a package may unpack before it counts as a bomb, in bytes.

    The largest real packages (games, CUDA, TeX) unpack to some tens of GiB and by factors under a hundred. Below
    `always` no factor is asked for, since an archive of zeros is only a waste of a second.
    """

    always: int = 1 << 30
    factor: int = 1000
    never: int = 64 << 30
    listing: int = 64 << 20
    """All paths together: they are held in memory, and become part of the index."""
    members: int = 1_000_000
    """Files and folders: ten times as many as the largest real packages have (icon themes, TeX)."""

    def unpacked(self, size: int) -> int:
        """How many bytes a file of `size` bytes may unpack to."""
        return min(self.never, max(self.always, self.factor * size))


class _Hashes:
    """Size and checksums of a file, worked out while it is read for another purpose."""

    def __init__(self) -> None:
        self._size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    def chunks(self, file: IO[bytes]) -> Iterator[bytes]:
        while chunk := file.read(CHUNK):
            self._size += len(chunk)
            self._md5.update(chunk)
            self._sha256.update(chunk)
            yield chunk

    def sums(self) -> entry.Sums:
        return entry.Sums(self._size, self._md5.hexdigest(), self._sha256.hexdigest())


def accepts_file_name(file_name: str) -> bool:
    """Whether `file_name` has the shape `name-version-release-arch.pkg.tar[.gz|.xz|.zst]`."""
    return len(file_name) <= _LONGEST_FILE_NAME and _FILE_NAME.fullmatch(file_name) is not None


def read_package(path: Path, file_name: str, limits: Limits) -> PackageFile:
    """Read and verify the package at `path` that is to be called `file_name`; PackageInvalid says what is wrong.

    Memory is bounded by `limits` and the decompressor's window, whatever the size of the file.
    """
    match = _FILE_NAME.fullmatch(file_name) if accepts_file_name(file_name) else None
    if match is None:
        raise PackageInvalid(f"{file_name!r} is not the name of a pacman package.")
    hashes = _Hashes()
    tree, collector = Tree(limits.listing, limits.members), Collector()
    try:
        with path.open("rb") as file:
            limit = limits.unpacked(path.stat().st_size)
            tar = Tar(unpacked(hashes.chunks(file), match.group(1) or "", limit))
            fields = entry.parse_pkginfo(_read_members(tar, tree, collector))
        described = _package_file(file_name, fields, tree, hashes.sums())
        return msgspec.structs.replace(described, libraries=collector.libraries())
    except Invalid as error:
        raise PackageInvalid(f"{file_name} is refused: {str(error).rstrip('.')}.") from None


def identify_package(path: Path, limits: Limits) -> PackageFile:
    """Read and verify a package whose file name is not known, and call it as makepkg would have; PackageInvalid."""
    try:
        with path.open("rb") as file:
            first = file.read(CHUNK)
            kind = kind_of(first)
            file.seek(0)
            tar = Tar(
                unpacked(iter(partial(file.read, CHUNK), b""), kind, limits.unpacked(path.stat().st_size))
            )
            found = next((_content(tar, member) for member in tar if member.name == ".PKGINFO"), b"")
        fields = entry.parse_pkginfo(found.decode())
        name = "-".join(_mandatory(fields, key) for key in ("pkgname", "pkgver", "arch"))
    except (Invalid, UnicodeDecodeError) as error:
        raise PackageInvalid(f"{path.name} is no package: {str(error).rstrip('.')}.") from None
    return read_package(path, f"{name}.pkg.tar{f'.{kind}' if kind else ''}", limits)


def _read_members(tar: Tar, tree: Tree, collector: Collector) -> str:
    """Put every member into `tree`, show files to `collector`, and return the text of .PKGINFO."""
    pkginfo: bytes | None = None
    for member in tar:
        tree.add(member)
        if member.name == ".PKGINFO":
            pkginfo = _content(tar, member)
        elif member.kind is Kind.FILE and not member.sparse:
            collector.file(member.name, member.size, tar.pieces())
    if pkginfo is None:
        raise Invalid("it holds no .PKGINFO")
    if b"\0" in pkginfo:
        raise Invalid("its .PKGINFO holds a zero byte")
    try:
        return pkginfo.decode()
    except UnicodeDecodeError:
        raise Invalid("its .PKGINFO is not UTF-8") from None


def _content(tar: Tar, member: Member) -> bytes:
    if member.kind is not Kind.FILE or member.sparse:
        raise Invalid("its .PKGINFO is not a plain file")
    return tar.content(_PKGINFO_LIMIT)


def _package_file(file_name: str, fields: entry.Fields, tree: Tree, sums: entry.Sums) -> PackageFile:
    name, version, arch = (_mandatory(fields, key) for key in ("pkgname", "pkgver", "arch"))
    package_name(name)
    arch_name(arch)
    if not _VERSION.fullmatch(version):
        raise Invalid(f"{version!r} is not a valid version")
    told = file_name.partition(".pkg.tar")[0]
    if told != f"{name}-{version}-{arch}":
        raise Invalid(f"by its .PKGINFO it is {name}-{version}-{arch}")
    if len(name) + len(version) > _LONGEST_ENTRY:
        raise Invalid("its name and version are too long for an index")
    return PackageFile(
        file_name=file_name,
        size=sums.size,
        sha256=sums.sha256,
        name=name,
        base=package_name(_last(fields, "pkgbase") or name),
        version=version,
        arch=arch,
        installed_size=_number(fields, "size"),
        build_date=_number(fields, "builddate"),
        packager=_last(fields, "packager"),
        description=_last(fields, "pkgdesc"),
        url=_last(fields, "url"),
        depends=tuple(map(parse_dependency, fields.get("depend", ()))),
        provides=tuple(map(parse_provision, fields.get("provides", ()))),
        groups=tuple(fields.get("group", ())),
        index={"desc": entry.desc(file_name, fields, sums), "files": entry.files(tree.paths())},
    )


def _last(fields: entry.Fields, key: str) -> str:
    values = fields.get(key)
    return values[-1] if values else ""


def _mandatory(fields: entry.Fields, key: str) -> str:
    value = _last(fields, key)
    if not value:
        raise Invalid(f"its .PKGINFO has no {key}")
    return value


def _number(fields: entry.Fields, key: str) -> int:
    text = _last(fields, key) or "0"
    if not (text.isascii() and text.isdigit()):
        raise Invalid(f"its .PKGINFO has a {key} that is no number")
    if len(text) >= _LONGEST_NUMBER:
        raise Invalid(f"its .PKGINFO has a {key} that is too large")
    return int(text)
