"""Whether a detached signature is one that pacman takes, good, and by a key that is trusted."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pysequoia import Cert, Sig, verify
from pysequoia.packet import PacketPile, Tag

from quarters.model.errors import SignatureRefused
from quarters.publishing.signing import certificates
from quarters.publishing.signing.signer import LONGEST

AT_ONCE = 4 << 20
"""Bytes up to which a file is read within this process; at some 300 MB/s that takes 14 ms."""


def check_shape(signature: bytes) -> None:
    """SignatureRefused unless it is one binary signature of a size that pacman takes."""
    if signature.startswith(b"-----BEGIN"):
        raise SignatureRefused(
            "The signature is armoured, and pacman takes binary ones only; leave out --armor."
        )
    if len(signature) > LONGEST:
        raise SignatureRefused(f"The signature has {len(signature)} bytes; pacman takes {LONGEST} at most.")
    try:
        tags = [packet.tag for packet in PacketPile.from_bytes(signature)]
    except RuntimeError:
        tags = []
    # pacman wants every signature in the file to be good: a second one can only do harm (libalpm: signing.c).
    if tags != [Tag.Signature]:
        raise SignatureRefused("This is not one detached OpenPGP signature.")


def check(content: bytes | Path, signature: bytes, trusted: Sequence[Cert], now: datetime) -> str:
    """The fingerprint of the key among `trusted` that signed `content`; SignatureRefused says what is wrong."""
    check_shape(signature)
    made = Sig.from_bytes(signature)
    issuer = made.issuer_fingerprint or made.issuer_key_id
    if issuer is None:
        raise SignatureRefused("The signature does not say which key it is by.")
    known = certificates.of_issuer(trusted, issuer)
    if not known:
        raise SignatureRefused(f"The signature is by the key {issuer.upper()}, which is not trusted.")
    (cert,) = known[:1]
    until = certificates.expires_at(cert)
    if until is not None and until <= now:
        # Whoever has an expired key can still date a signature back.
        raise SignatureRefused(
            f"The signature is by the key {certificates.fingerprint(cert)}, which expired on {until:%Y-%m-%d}."
        )
    if not _good(content, signature, cert):
        raise SignatureRefused(
            f"The signature by the key {certificates.fingerprint(cert)} is not good for this content."
        )
    return certificates.fingerprint(cert)


def _good(content: bytes | Path, signature: bytes, cert: Cert) -> bool:
    if isinstance(content, Path):
        if content.stat().st_size > AT_ONCE:
            return _good_apart(content, signature, cert)
        content = content.read_bytes()
    try:
        verify(bytes=content, store=lambda _: [cert], signature=Sig.from_bytes(signature))
    except RuntimeError:
        return False
    return True


def _good_apart(path: Path, signature: bytes, cert: Cert) -> bool:
    module = [sys.executable, "-P", "-m", "quarters.publishing.signing.detached"]
    command = [*module, "verify", str(path), signature.hex()]
    return subprocess.run(command, input=bytes(cert), capture_output=True, check=False).returncode == 0
