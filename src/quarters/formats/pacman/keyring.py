"""Keyring packages: the keys that clients are to trust, as `pacman-key --populate` takes them (pacman-key(8))."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator

from quarters.formats.format import Keyring
from quarters.formats.pacman.compression import packed
from quarters.model.repository import Compression

_FOLDER = "usr/share/pacman/keyrings"
_FULL = 4
"""Ownertrust that pacman-key gives: fully trusted (GnuPG: doc/DETAILS)."""

_INSTALL = """post_install() {{
  if usr/bin/pacman-key -l >/dev/null 2>&1; then
    usr/bin/pacman-key --populate {name}
  fi
}}

post_upgrade() {{
  post_install
}}
"""


def file_name(keyring: Keyring) -> str:
    """`NAME-keyring-VERSION-any.pkg.tar.zst`."""
    return f"{keyring.name}-keyring-{keyring.version}-any.pkg.tar.zst"


def package(keyring: Keyring) -> bytes:
    """The package, the same bytes for the same keys, version and time."""
    files = dict(_files(keyring))
    info = _pkginfo(keyring, sum(map(len, files.values())))
    install = _INSTALL.format(name=keyring.name).encode()
    inside = {".INSTALL": install, ".PKGINFO": info}
    inside[".MTREE"] = _mtree({**inside, **files}, keyring.made_at)
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(inside):
            archive.addfile(*_member(name, inside[name], keyring.made_at))
        for folder in _folders():
            archive.addfile(_folder(folder, keyring.made_at))
        for name in sorted(files):
            archive.addfile(*_member(name, files[name], keyring.made_at))
    return packed(target.getvalue(), Compression.ZSTD)


def _files(keyring: Keyring) -> Iterator[tuple[str, bytes]]:
    # Also those that are revoked: a client can only disable what it knows.
    yield f"{_FOLDER}/{keyring.name}.gpg", b"".join([*keyring.trusted.values(), *keyring.revoked.values()])
    trusted = "".join(f"{fingerprint}:{_FULL}:\n" for fingerprint in keyring.trusted)
    yield f"{_FOLDER}/{keyring.name}-trusted", trusted.encode()
    revoked = "".join(f"{fingerprint}\n" for fingerprint in keyring.revoked)
    yield f"{_FOLDER}/{keyring.name}-revoked", revoked.encode()


def _pkginfo(keyring: Keyring, size: int) -> bytes:
    name = f"{keyring.name}-keyring"
    lines = [
        f"pkgname = {name}",
        f"pkgbase = {name}",
        f"pkgver = {keyring.version}",
        f"pkgdesc = Keys that sign the packages of {keyring.name}",
        f"builddate = {keyring.made_at}",
        "packager = Quarters",
        f"size = {size}",
        "arch = any",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _folders() -> list[str]:
    parts = _FOLDER.split("/")
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def _mtree(files: dict[str, bytes], made_at: int) -> bytes:
    # libalpm takes the list of files from here, and loses a last line that does not end.
    lines = ["#mtree", "/set type=file uid=0 gid=0 mode=644"]
    listed = dict.fromkeys(_folders()) | files
    for name in sorted(listed):
        content = listed[name]
        if content is None:
            lines.append(f"./{name} time={made_at}.0 mode=755 type=dir")
        else:
            sums = f"md5digest={_md5(content)} sha256digest={hashlib.sha256(content).hexdigest()}"
            lines.append(f"./{name} time={made_at}.0 size={len(content)} {sums}")
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()  # `pacman -Qkk` looks at this one


def _member(name: str, content: bytes, made_at: int) -> tuple[tarfile.TarInfo, io.BytesIO]:
    member = _owned(name, made_at, 0o644)
    member.size = len(content)
    return member, io.BytesIO(content)


def _folder(name: str, made_at: int) -> tarfile.TarInfo:
    member = _owned(name, made_at, 0o755)
    member.type = tarfile.DIRTYPE
    return member


def _owned(name: str, made_at: int, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.mtime = mode, made_at
    member.uname = member.gname = "root"
    return member
