"""Detached signatures by Ed25519 keys over what hashlib has hashed.

pysequoia keeps the interpreter's lock for as long as it hashes, at a third of OpenSSL's speed, and 14 MB of index files
are signed at each publish. So it signs nothing, and only the digest and its signature are put in place of its own: what
else a signature says (by which subkey, when) stays pysequoia's affair.
"""

from collections.abc import Callable
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pysequoia import SignatureMode, Tsk, sign
from pysequoia.packet import Packet, PacketPile, Tag

_EDDSA = 22
"""EdDSALegacy, the public-key algorithm of every version 4 Ed25519 key that gpg and pysequoia make (RFC 9580, 9.1)."""
_SHA256 = 8
_OID = bytes.fromhex("092b06010401da470f01")
"""Ed25519Legacy with its length before it (RFC 9580, 9.2)."""
_PUBLIC = 2 + 1 + 32
"""Bytes of the public point: an MPI that begins with 0x40."""
_SECRETS = (Tag.SecretKey, Tag.SecretSubkey)


class Digest(Protocol):
    """A SHA-256 that was begun with all of the content."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class Ed25519:
    """The subkeys of a secret key that can sign in this way."""

    def __init__(self, secret: Tsk) -> None:
        self._secret = secret
        self._keys = {
            it.fingerprint: key
            for it in PacketPile.from_bytes(bytes(secret))
            if it.tag in _SECRETS and (key := _private(it.body)) is not None
        }

    def sign(self, hashed: Callable[[], Digest]) -> bytes | None:
        """The signature of what `hashed` hashes, or None where it is another kind of key that signs; RuntimeError."""
        (made,) = PacketPile.from_bytes(_of_nothing(self._secret))
        key = self._keys.get(made.issuer_fingerprint)
        if key is None or made.signature_version != 4:
            return None
        return _packet(_signed(made, key, hashed()))


def _of_nothing(secret: Tsk) -> bytes:
    return sign(secret.signer(), b"", mode=SignatureMode.DETACHED, armor=False)


def _signed(made: Packet, key: Ed25519PrivateKey, digest: Digest) -> bytes:
    """The body of a version 4 signature packet (RFC 9580, 5.2.3 and 5.2.4)."""
    body = bytes(made.body)
    length = int.from_bytes(body[4:6], "big")
    said = body[:3] + bytes((_SHA256,)) + body[4 : 6 + length]
    digest.update(said + b"\x04\xff" + len(said).to_bytes(4, "big"))
    hashed = digest.digest()
    signature = key.sign(hashed)
    return b"".join((said, b"\0\0", hashed[:2], _mpi(signature[:32]), _mpi(signature[32:])))


def _private(body: bytes) -> Ed25519PrivateKey | None:
    """The secret in the body of a version 4 secret-key packet (RFC 9580, 5.5.3), if it is such a key and is not locked."""
    start = 1 + 4 + 1
    if body[0] != 4 or body[5] != _EDDSA or not body.startswith(_OID, start):
        return None
    rest = body[start + len(_OID) + _PUBLIC :]
    if rest[0] != 0:
        return None
    size = (int.from_bytes(rest[1:3], "big") + 7) // 8
    return Ed25519PrivateKey.from_private_bytes(rest[3 : 3 + size].rjust(32, b"\0"))


def _mpi(number: bytes) -> bytes:
    stripped = number.lstrip(b"\0")
    bits = int.from_bytes(stripped, "big").bit_length()
    return bits.to_bytes(2, "big") + stripped


def _packet(body: bytes) -> bytes:
    """A signature packet in the old form, as gpg writes it (RFC 9580, 4.2.2); its body has some 190 bytes."""
    return bytes((0x80 | int(Tag.Signature) << 2 | 1,)) + len(body).to_bytes(2, "big") + body
