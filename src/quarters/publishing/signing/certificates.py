"""What a public key says about itself."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec
from pysequoia import Cert
from pysequoia.packet import Packet, PacketPile, SignatureType, Tag

from quarters.model.errors import Invalid

_PUBLIC = (Tag.PublicKey, Tag.PublicSubkey)
_NEVER = datetime.max.replace(tzinfo=UTC)


class _Component(msgspec.Struct):
    """A primary key or a subkey, as the newest signature on it has it."""

    fingerprint: str
    key_id: str
    created_at: datetime
    bound_at: datetime | None = None
    signs: bool = False
    lasts: timedelta | None = None

    def bind(self, signature: Packet) -> None:
        """Take what `signature` says, unless a newer one was here before."""
        made, flags = signature.signature_created, signature.key_flags
        if made is None or flags is None or (self.bound_at is not None and made < self.bound_at):
            return
        self.bound_at, self.signs, self.lasts = made, flags.signing, signature.key_validity_period

    @property
    def until(self) -> datetime:
        return _NEVER if not self.lasts else self.created_at + self.lasts


def parse(text: str | bytes) -> Cert:
    """Read one public key, in ASCII armour or binary; Invalid if it is none, is revoked or holds secrets."""
    data = text.encode() if isinstance(text, str) else text
    try:
        (cert,) = Cert.split_bytes(data)
        pile = list(PacketPile.from_bytes(data))
    except RuntimeError as error:
        raise Invalid(f"This is no public key: {first_line(error)}.") from None
    except ValueError:
        raise Invalid("Give one public key at a time.") from None
    if any(packet.tag in (Tag.SecretKey, Tag.SecretSubkey) for packet in pile):
        raise Invalid("This is a secret key; export the public one with `gpg --armor --export`.")
    if cert.is_revoked:
        raise Invalid(f"The key {fingerprint(cert)} is revoked.")
    return cert


def fingerprint(cert: Cert) -> str:
    """In capital hexadecimal, as gpg shows it."""
    return cert.fingerprint.upper()


def created_at(cert: Cert) -> datetime:
    """When its primary key was made."""
    return _components(cert)[0].created_at


def user_id(cert: Cert) -> str:
    """Its first user ID, or nothing."""
    return str(cert.user_ids[0]) if cert.user_ids else ""


def expires_at(cert: Cert) -> datetime | None:
    """From when on it signs no more: when the key as a whole expires, or the last part of it that may sign."""
    primary, *_ = parts = _components(cert)
    last = max((it.until for it in parts if it.signs), default=_NEVER)
    whole = None if unfit(cert) else cert.expiration
    until = min(whole or _NEVER, primary.until, last)
    return None if until == _NEVER else until


def unfit(cert: Cert) -> str:
    """Why it cannot be used at the time that the clock shows, as before it was made; "" where it can."""
    try:
        cert.expiration  # noqa: B018 - looks for a signature that makes it valid
    except RuntimeError as error:
        return first_line(error)
    return ""


def of_issuer(certs: Iterable[Cert], issuer: str) -> list[Cert]:
    """Those of `certs` that have a key of this fingerprint or key ID, in hexadecimal of any case."""
    wanted = issuer.lower()
    return [cert for cert in certs if any(wanted in (it.fingerprint, it.key_id) for it in _components(cert))]


def first_line(error: RuntimeError) -> str:
    """What pysequoia says, without the stack trace that it appends."""
    return str(error).partition("\n")[0].rstrip(".")


def _components(cert: Cert) -> list[_Component]:
    found: list[_Component] = []
    for packet in PacketPile.from_bytes(bytes(cert)):
        if packet.tag in _PUBLIC:
            made = packet.key_created
            assert made is not None and packet.fingerprint and packet.key_id  # noqa: S101, PT018 - it is a key
            found.append(_Component(packet.fingerprint.lower(), packet.key_id.lower(), made))
        elif packet.tag == Tag.Signature and packet.signature_type in (
            SignatureType.DirectKey,
            SignatureType.GenericCertification,
            SignatureType.PositiveCertification,
            SignatureType.SubkeyBinding,
        ):
            found[-1].bind(packet)
    return found
