"""The OpenPGP keys that repositories are signed with: secret ones, readable by the server's user only."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from pysequoia import Cert, SignatureMode, Tsk, sign
from pysequoia.packet import PacketPile, Tag

from quarters.model.errors import Conflict, Invalid, NotFound, Unavailable
from quarters.model.names import plain_name
from quarters.protocol.resources import KeyView
from quarters.storage import durable

_SUFFIX = ".asc"
_SMALL = 4 << 20
"""Bytes up to which a file is signed within this process; at some 300 MB/s that takes 14 ms."""


class KeyRing:
    """A folder of armoured secret keys, one of which, `name`, signs.

    Keys made here are Ed25519 and do not expire: an expired key breaks every client at once, while a lost one can be
    replaced by another name. Private, since whoever reads the folder can sign.
    """

    def __init__(
        self, folder: Path, name: str = "quarters", user_id: str = "Quarters package signing"
    ) -> None:
        self._folder = folder
        self._name = plain_name(name, "key")
        self._user_id = user_id
        self._read: dict[str, Tsk] = {}  # a key of a name never changes

    def ensure(self) -> KeyView:
        """The key that signs; the first key is made, but a name that is missing among others is NotFound."""
        if not any(self._folder.glob(f"*{_SUFFIX}")):
            try:
                return self.create(self._name, self._user_id)
            except Conflict:  # another process was quicker
                pass
        return self.show(self._name)

    def create(self, name: str, user_id: str) -> KeyView:
        """Make a new key; Conflict if the name is taken."""
        return self._keep(plain_name(name, "key"), Tsk.generate(user_id=user_id))

    def add(self, name: str, armoured: str) -> KeyView:
        """Import a secret key without a passphrase; Invalid if it cannot sign, Conflict if the name is taken."""
        plain_name(name, "key")
        try:
            key = Tsk.from_bytes(armoured.encode())
            key.signer()
        except RuntimeError as error:
            raise Invalid(
                f"This key cannot sign: {_first_line(error)}. "
                "Export it with `gpg --armor --export-secret-keys`, without a passphrase."
            ) from None
        cert = key.extract_certificate()
        if cert.is_revoked:
            raise Invalid("This key is revoked.")
        if cert.expiration is not None and cert.expiration <= datetime.now(UTC):
            raise Invalid(f"This key expired on {cert.expiration:%Y-%m-%d}.")
        return self._keep(name, key)

    def all(self) -> list[KeyView]:
        """Every key, by name."""
        return [_view(path.stem, _read(path)) for path in sorted(self._folder.glob(f"*{_SUFFIX}"))]

    def show(self, name: str) -> KeyView:
        """The public side of one key, or NotFound."""
        return _view(name, self._secret(name))

    def public(self, name: str | None = None) -> str:
        """A public key, by default of the key that signs, in ASCII armour as `pacman-key --add` takes it."""
        return self.show(name or self._name).armored

    @property
    def fingerprint(self) -> str:
        """Of the key that signs, in capital hexadecimal as gpg shows it."""
        return _fingerprint(self._secret(self._name).extract_certificate())

    def sign(self, data: bytes) -> bytes:
        """The binary detached signature of `data`, as pacman takes it."""
        try:
            signer = self._secret(self._name).signer()
            return sign(signer, data, mode=SignatureMode.DETACHED, armor=False)
        except RuntimeError as error:
            raise Unavailable(f"Nothing can be signed: {_first_line(error)}.") from None

    def sign_file(self, path: Path) -> bytes:
        """The binary detached signature of a file of any size; to be called off the event loop."""
        if path.stat().st_size <= _SMALL:
            return self.sign(path.read_bytes())
        self._secret(self._name)
        module = [sys.executable, "-m", "quarters.publishing.detached"]
        command = [*module, str(self._path(self._name)), str(path)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode != 0 or not done.stdout:
            raise Unavailable(f"Signing {path.name} failed with code {done.returncode}.")
        return done.stdout

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"

    def _secret(self, name: str) -> Tsk:
        if name not in self._read:
            path = self._path(plain_name(name, "key"))
            if not path.exists():
                raise NotFound(f"There is no key {name!r}; import it with `quarters key import`.")
            self._read[name] = _read(path)
        return self._read[name]

    def _keep(self, name: str, key: Tsk) -> KeyView:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        path = self._path(name)
        unfinished = path.with_name(f".{name}.{os.getpid()}")
        unfinished.unlink(missing_ok=True)
        try:
            durable.write(unfinished, str(key).encode(), 0o600)
            os.link(unfinished, path)  # unlike a rename this never replaces a key
        except FileExistsError:
            raise Conflict(f"There is already a key {name!r}.") from None
        finally:
            unfinished.unlink(missing_ok=True)
        durable.sync(self._folder)
        return _view(name, key)


def _read(path: Path) -> Tsk:
    try:
        return Tsk.from_bytes(path.read_bytes())
    except RuntimeError as error:
        raise Unavailable(f"The key in {path} cannot be read: {_first_line(error)}.") from None


def _view(name: str, key: Tsk) -> KeyView:
    cert = key.extract_certificate()
    packets = PacketPile.from_bytes(bytes(cert))
    created_at = next(packet.key_created for packet in packets if packet.tag == Tag.PublicKey)
    return KeyView(
        name=name,
        fingerprint=_fingerprint(cert),
        user_id=str(cert.user_ids[0]) if cert.user_ids else "",
        created_at=created_at,
        expires_at=cert.expiration,
        armored=str(cert),
    )


def _fingerprint(cert: Cert) -> str:
    return cert.fingerprint.upper()


def _first_line(error: RuntimeError) -> str:
    """What pysequoia says, without the stack trace that it appends."""
    return str(error).partition("\n")[0].rstrip(".")
