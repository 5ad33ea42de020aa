"""Repository indexes (`.db` and `.files`): written as repo-add writes them, read however upstream wrote them."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from quarters.formats.format import Description, Listing, Share
from quarters.formats.pacman.compression import CHUNK, kind_of, packed, unpacked
from quarters.formats.pacman.dependency import parse_provision
from quarters.formats.pacman.tar import BLOCK, Kind, Tar
from quarters.model.errors import Invalid
from quarters.model.recipe import Provision
from quarters.model.repository import Compression, Published

_MEMBERS = {"db": ("desc",), "files": ("desc", "files")}
"""The two archives and what each holds of a package."""

_SUFFIXES = {Compression.GZIP: "tar.gz", Compression.ZSTD: "tar.zst"}
_RECORD = 20 * BLOCK  # tar's record; an archive's length is a multiple of it

_UNPACKED_LIMIT = 1 << 30
"""Arch's extra.db unpacks to 60 MB; pacman itself takes 128 MiB packed at most."""

_DESC_LIMIT = 1024 * 1024
_LONGEST_NAME = 100
_LONGEST_PREFIX = 155


def files(repository: str, compression: Compression) -> tuple[str, ...]:
    """Both archives' names; repo-add and pacman tell the compression by them."""
    return tuple(f"{repository}.{kind}.{_SUFFIXES[compression]}" for kind in _MEMBERS)


def aliases(repository: str, compression: Compression) -> dict[str, str]:
    """The names that pacman asks for; repo-add makes them symbolic links."""
    return {f"{repository}.{kind}": f"{repository}.{kind}.{_SUFFIXES[compression]}" for kind in _MEMBERS}


def pack(packages: Sequence[Mapping[str, str]], compression: Compression) -> tuple[Share, ...]:
    """A stretch of each archive from the packages' `desc` and `files`; the same packages give the same bytes."""
    named = [(_folder(package["desc"]), package) for package in packages]
    shares = []
    for members in _MEMBERS.values():
        data = b"".join(block for folder, package in named for block in _blocks(folder, package, members))
        shares.append(Share(len(data), packed(data, compression)))
    return tuple(shares)


def end(length: int, compression: Compression) -> bytes:
    """The end of an archive whose entries take `length` bytes."""
    mark = 2 * BLOCK
    return packed(bytes(mark + -(length + mark) % _RECORD), compression)


def content(data: bytes) -> Iterator[bytes]:
    """What an index file unpacks to, piece by piece; Invalid if it is damaged."""
    chunks = (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))
    return unpacked(chunks, kind_of(data), _UNPACKED_LIMIT)


def read_index(data: bytes) -> list[Published]:
    """The packages in a `.db` (plain, gzip, xz or zstd, of any number of members or frames); Invalid if unreadable."""
    return [_published(desc) for _, desc in _descs(data)]


def read_listing(data: bytes) -> list[Listing]:
    """The package files in a `.db`; Invalid if it cannot be read."""
    return [_listing(member, desc) for member, desc in _descs(data)]


def describe(parts: Mapping[str, str]) -> Description:
    """What `desc` and `files` tell people."""
    desc = parts["desc"]
    return Description(
        groups=tuple(_values(desc, "GROUPS")),
        licenses=tuple(_values(desc, "LICENSE")),
        conflicts=tuple(_values(desc, "CONFLICTS")),
        replaces=tuple(_values(desc, "REPLACES")),
        optional=tuple(_values(desc, "OPTDEPENDS")),
        make=tuple(_values(desc, "MAKEDEPENDS")),
        check=tuple(_values(desc, "CHECKDEPENDS")),
        files=tuple(_values(parts["files"].rstrip("\n"), "FILES")),
    )


def _descs(data: bytes) -> Iterator[tuple[str, str]]:
    """Name and text of every `desc` that names a package and its version."""
    chunks = (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))
    tar = Tar(unpacked(chunks, kind_of(data), _UNPACKED_LIMIT))
    try:
        for member in tar:
            if member.kind is Kind.FILE and member.name.endswith("/desc"):
                desc = tar.content(_DESC_LIMIT).decode()
                if not (_field(desc, "NAME") and _field(desc, "VERSION")):
                    raise Invalid(f"{member.name} names no package or no version")
                yield member.name, desc
    except UnicodeDecodeError:
        raise Invalid("The index cannot be read: it is not UTF-8.") from None
    except Invalid as error:
        raise Invalid(f"The index cannot be read: {str(error).rstrip('.')}.") from None


def _folder(desc: str) -> str:
    return f"{_field(desc, 'NAME')}-{_field(desc, 'VERSION')}"


def _field(desc: str, key: str) -> str:
    """The one value of a field."""
    return next(iter(_values(desc, key)), "")


def _values(desc: str, key: str) -> list[str]:
    # Only behind an empty line: a package may be described by the words %DEPENDS%.
    _, found, rest = f"\n\n{desc}".partition(f"\n\n%{key}%\n")
    return rest.partition("\n\n")[0].split("\n") if found else []


def _published(desc: str) -> Published:
    name = _field(desc, "NAME")
    return Published(
        name=name,
        version=_field(desc, "VERSION"),
        base=_field(desc, "BASE") or name,
        provides=tuple(_provisions(_values(desc, "PROVIDES"))),
    )


def _listing(member: str, desc: str) -> Listing:
    size, signature = _field(desc, "CSIZE"), _field(desc, "PGPSIG")
    try:
        return Listing(
            file_name=_field(desc, "FILENAME"),
            name=_field(desc, "NAME"),
            version=_field(desc, "VERSION"),
            arch=_field(desc, "ARCH"),
            size=int(size or "0"),
            sha256=_field(desc, "SHA256SUM").lower(),
            signature=base64.b64decode(signature, validate=True),
        )
    except ValueError:
        raise Invalid(f"The index cannot be read: {member} is damaged.") from None


def _provisions(texts: Iterable[str]) -> Iterator[Provision]:
    for text in texts:
        # One odd line of somebody else's package must not make the whole upstream unusable.
        with suppress(Invalid):
            yield parse_provision(text)


def _blocks(folder: str, package: Mapping[str, str], members: tuple[str, ...]) -> Iterator[bytes]:
    """A package's part of a ustar archive, put together by hand: 15,000 of them through tarfile take a second."""
    if len(folder) < _LONGEST_NAME:
        yield _header("", folder + "/", 0)
    for member in members:
        content = package[member].encode()
        yield _header(folder, member, len(content))
        yield content
        yield bytes(-len(content) % BLOCK)


_FOLDER = b"0000755\0000000000\0000000000\000"
_FILE = b"0000644\0000000000\0000000000\000"
_OWNER = b"ustar\00000root".ljust(40, b"\0") + b"root".ljust(32, b"\0") + b"0000000\0000000000\000"


def _header(folder: str, name: str, size: int) -> bytes:
    """A ustar header; the folder goes into the prefix only where both do not fit into the name."""
    kind, mode = (b"0", _FILE) if folder else (b"5", _FOLDER)
    path, prefix = f"{folder}/{name}" if folder else name, ""
    if len(path) > _LONGEST_NAME:
        path, prefix = name, folder
    if len(prefix) > _LONGEST_PREFIX:
        raise Invalid(f"{prefix} is too long for an index.")
    before = path.encode().ljust(_LONGEST_NAME, b"\0") + mode + b"%011o\00000000000000\0" % size
    after = kind + bytes(100) + _OWNER + prefix.encode().ljust(_LONGEST_PREFIX + 12, b"\0")
    return before + b"%06o\0 " % (sum(before) + sum(after) + 8 * 0x20) + after
