"""Signatures put together from pysequoia's own and OpenSSL's: pysequoia itself finds them good."""

import hashlib
from pathlib import Path

import pytest
from pysequoia import Cert, CipherSuite, Sig, Tsk, verify
from pysequoia.packet import PacketPile

from quarters.publishing.signing.ed25519 import Ed25519
from quarters.publishing.signing.file import FileSigner
from quarters.publishing.signing.verification import check_shape


def is_good(secret: Tsk, data: bytes, signature: bytes) -> bool:
    certs: list[Cert] = [secret.extract_certificate()]
    try:
        return (
            len(verify(bytes=data, store=lambda _: certs, signature=Sig.from_bytes(signature)).valid_sigs)
            == 1
        )
    except RuntimeError:
        return False


def test_every_signature_is_good_for_its_content_alone() -> None:
    secret = Tsk.generate(user_id="Team")
    key = Ed25519(secret)
    for number in range(600):  # so that numbers come that begin with zeros, and are written shorter
        data = b"%d" % number
        signature = key.sign(lambda: hashlib.sha256(data))  # noqa: B023 - is called at once
        assert signature is not None
        check_shape(signature)
        assert is_good(secret, data, signature)
        assert not is_good(secret, data + b"x", signature)


def test_it_names_the_subkey_that_may_sign() -> None:
    secret = Tsk.generate(user_id="Team")
    signature = Ed25519(secret).sign(lambda: hashlib.sha256(b""))
    assert signature is not None
    (packet,) = PacketPile.from_bytes(signature)
    issuer = packet.issuer_fingerprint
    assert issuer is not None
    assert issuer != secret.extract_certificate().fingerprint
    assert issuer in {it.fingerprint for it in PacketPile.from_bytes(bytes(secret))}


@pytest.mark.parametrize("suite", [CipherSuite.RSA2k, CipherSuite.P256])
def test_other_kinds_of_keys_sign_as_well(tmp_path: Path, suite: CipherSuite) -> None:
    secret = Tsk.generate(user_id="Team", cipher_suite=suite)
    key = Ed25519(secret)
    assert key.sign(lambda: hashlib.sha256(b"x")) is None
    signer = FileSigner(tmp_path / "key", secret, key, 20)
    content = tmp_path / "content"
    content.write_bytes(b"x")
    assert is_good(secret, b"x", signer.sign(b"x"))
    assert is_good(secret, b"x", signer.sign_file(content))
