"""What is done with a secret key beside signing: it is made, prolonged and revoked."""

from collections.abc import Sequence
from datetime import datetime

from pysequoia import Cert, Tsk
from pysequoia.packet import Packet, PacketPile, Tag

from quarters.model.errors import Invalid
from quarters.publishing.signing import certificates

_PUBLIC = (Tag.PublicKey, Tag.PublicSubkey)


def made(user_id: str, until: datetime | None) -> Tsk:
    """A new Ed25519 key."""
    # Only the primary key expires: a subkey's own end could not be moved later.
    new = Tsk.generate(user_id=user_id)
    return new if until is None else prolonged(new, until)


def parse(armoured: str) -> Tsk:
    """Read a secret key without a passphrase; Invalid if it cannot sign or is revoked."""
    try:
        key = Tsk.from_bytes(armoured.encode())
        key.signer()
    except RuntimeError as error:
        raise Invalid(
            f"This key cannot sign: {certificates.first_line(error)}. "
            "Export it with `gpg --armor --export-secret-keys`, without a passphrase."
        ) from None
    if key.extract_certificate().is_revoked:
        raise Invalid("This key is revoked.")
    return key


def revoked(secret: Tsk) -> Cert:
    """Its public half, which says that nobody is to trust it any more."""
    cert = secret.extract_certificate()
    return Cert.from_bytes(bytes(cert) + bytes(cert.revoke(secret.certifier())))


def prolonged(secret: Tsk, until: datetime) -> Tsk:
    """The same key, but it expires at another time; Invalid if a part of it that signs would still expire earlier."""
    cert = secret.extract_certificate().set_expiration(until, secret.certifier())
    made = Tsk.from_packets(_joined(list(PacketPile.from_bytes(bytes(secret))), cert))
    if certificates.expires_at(made.extract_certificate()) != until:
        raise Invalid(
            "A subkey of this key expires earlier than that; extend it with `gpg --quick-set-expire`, and import it anew."
        )
    return made


def _joined(before: Sequence[Packet], cert: Cert) -> list[Packet]:
    """The packets of `cert` with the secrets from `before`, and without signatures that newer ones took the place of."""
    secrets = {it.fingerprint: it for it in before if it.tag in (Tag.SecretKey, Tag.SecretSubkey)}
    known = {bytes(it) for it in before}
    parts: list[list[Packet]] = []
    for packet in PacketPile.from_bytes(bytes(cert)):
        if packet.tag == Tag.Signature:
            parts[-1].append(packet)
        else:
            parts.append([secrets.get(packet.fingerprint, packet) if packet.tag in _PUBLIC else packet])
    kept: list[Packet] = []
    for part, *signatures in parts:
        renewed = [it.signature_type for it in signatures if bytes(it) not in known]
        # Of two of the same second nobody could tell which one holds.
        stale = [
            it
            for it in signatures
            if bytes(it) in known
            and it.signature_type in renewed
            and it.issuer_fingerprint == cert.fingerprint
        ]
        kept += [part, *(it for it in signatures if not any(it is other for other in stale))]
    return kept
