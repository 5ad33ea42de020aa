"""The folder of signing keys: one file a key, whose suffix says what signs with it."""

import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from uuid import uuid4

import msgspec
from pysequoia import Cert, Tsk

from quarters.model.errors import Conflict, NotFound, Unavailable
from quarters.model.names import plain_name
from quarters.publishing.signing import certificates
from quarters.publishing.signing.ed25519 import Ed25519
from quarters.storage import durable

_CURRENT = "current"


class Kind(StrEnum):
    """What signs with a key: the secret in its file, gpg, a command, or nothing any more."""

    FILE = "file"
    GPG = "gpg"
    COMMAND = "command"
    RETIRED = "retired"


_SUFFIXES = {Kind.FILE: ".asc", Kind.GPG: ".gpg", Kind.COMMAND: ".command", Kind.RETIRED: ".retired"}


class Held(msgspec.Struct, frozen=True):
    """A key in the folder; only one of the kind `file` has its `secret` there, and can be `quick`."""

    name: str
    kind: Kind
    path: Path
    cert: Cert
    secret: Tsk | None = None
    quick: Ed25519 | None = None

    @property
    def fingerprint(self) -> str:
        """Of its primary key, in capital hexadecimal."""
        return certificates.fingerprint(self.cert)


class KeyFolder:
    """Keys as ASCII-armoured files, and a link to the one that was chosen to sign.

    Private, since whoever reads the folder can sign.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[tuple[int, int], Held]] = {}

    def __iter__(self) -> Iterator[Held]:
        """Every key, by name."""
        for name in sorted({path.stem for path in self._folder.glob("*.*") if _kind(path) is not None}):
            yield self.get(name)

    def get(self, name: str) -> Held:
        """One key, or NotFound; Unavailable where its file is damaged."""
        plain_name(name, "key")
        for kind in Kind:
            path = self._path(name, kind)
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            stamp = (status.st_ino, status.st_mtime_ns)
            known = self._read.get(path)
            if known is None or known[0] != stamp:
                known = self._read[path] = stamp, _read(name, kind, path)
            return known[1]
        raise NotFound(f"There is no key {name!r}; import it with `quarters key import`.")

    @property
    def chosen(self) -> str | None:
        """The name of the key that was chosen to sign."""
        try:
            return os.readlink(self._folder / _CURRENT)
        except FileNotFoundError:
            return None

    def choose(self, name: str) -> None:
        """Let the key of that name sign from now on."""
        unfinished = self._unfinished()
        unfinished.symlink_to(name)
        unfinished.rename(self._folder / _CURRENT)
        durable.sync(self._folder)

    def add(self, name: str, kind: Kind, armoured: str) -> Held:
        """Keep a key under a name that must be new; Conflict."""
        plain_name(name, "key")
        if any(self._path(name, other).exists() for other in Kind):
            raise Conflict(f"There is already a key {name!r}.")
        unfinished = self._written(armoured)
        try:
            os.link(unfinished, self._path(name, kind))  # unlike a rename this never replaces a key
        except FileExistsError:
            raise Conflict(f"There is already a key {name!r}.") from None
        finally:
            unfinished.unlink(missing_ok=True)
        durable.sync(self._folder)
        return self.get(name)

    def replace(self, held: Held, armoured: str) -> Held:
        """Keep a newer form of the same key."""
        self._written(armoured).rename(held.path)
        durable.sync(self._folder)
        return self.get(held.name)

    def retire(self, held: Held, cert: Cert) -> Held:
        """Keep only the public half; the secret, if it was here, is gone for good."""
        self._written(str(cert)).rename(self._path(held.name, Kind.RETIRED))
        held.path.unlink()
        durable.sync(self._folder)
        self._read.pop(held.path, None)
        return self.get(held.name)

    def _written(self, text: str) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        unfinished = self._unfinished()
        durable.write(unfinished, text.encode(), 0o600)
        return unfinished

    def _unfinished(self) -> Path:
        return self._folder / f".{uuid4().hex}"

    def _path(self, name: str, kind: Kind) -> Path:
        return self._folder / f"{name}{_SUFFIXES[kind]}"


def _kind(path: Path) -> Kind | None:
    return next((kind for kind, suffix in _SUFFIXES.items() if path.name.endswith(suffix)), None)


def _read(name: str, kind: Kind, path: Path) -> Held:
    try:
        if kind is Kind.FILE:
            secret = Tsk.from_bytes(path.read_bytes())
            return Held(name, kind, path, secret.extract_certificate(), secret, Ed25519(secret))
        return Held(name, kind, path, Cert.from_bytes(path.read_bytes()))
    except RuntimeError as error:
        raise Unavailable(f"The key in {path} cannot be read: {certificates.first_line(error)}.") from None
