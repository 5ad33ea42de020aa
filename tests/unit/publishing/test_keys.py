"""Signing keys: private files, made once, listed, imported, and never replaced."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pysequoia import Cert, Sig, Tsk, verify
from pysequoia.packet import PacketPile, Tag

from quarters.model.errors import Conflict, Invalid, NotFound, Unavailable
from quarters.publishing.keys import KeyRing
from quarters.publishing.settings import PublishingSettings


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    ring = KeyRing(tmp_path / "keys")
    ring.ensure()
    return ring


def is_good(ring: KeyRing, data: bytes, signature: bytes) -> bool:
    cert = Cert.from_bytes(ring.public().encode())
    try:
        return (
            len(verify(bytes=data, store=lambda _ids: [cert], signature=Sig.from_bytes(signature)).valid_sigs)
            == 1
        )
    except RuntimeError:
        return False


def test_the_first_key_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "keys"
    first = KeyRing(folder).ensure()
    assert KeyRing(folder).ensure() == first
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [(it.name, stat.S_IMODE(it.stat().st_mode)) for it in folder.iterdir()] == [
        ("quarters.asc", 0o600)
    ]


def test_a_key_is_shown_without_its_secret(ring: KeyRing) -> None:
    (view,) = ring.all()
    assert (view.name, view.user_id, view.expires_at) == ("quarters", "Quarters package signing", None)
    assert view.fingerprint == ring.fingerprint
    assert len(view.fingerprint) == 40
    assert abs(datetime.now(UTC) - view.created_at) < timedelta(minutes=5)
    assert view.armored == ring.public()
    assert view.armored.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    packets = PacketPile.from_bytes(view.armored.encode())
    assert all(packet.tag not in (Tag.SecretKey, Tag.SecretSubkey) for packet in packets)


def test_a_signature_is_binary_small_and_good_for_that_content_only(ring: KeyRing) -> None:
    signature = ring.sign(b"content")
    assert not signature.startswith(b"-----")
    assert len(signature) < 16384
    assert is_good(ring, b"content", signature)
    assert not is_good(ring, b"other content", signature)


@pytest.mark.parametrize("size", [0, 1000, 5 << 20])
def test_files_small_and_large_are_signed_alike(ring: KeyRing, tmp_path: Path, size: int) -> None:
    path = tmp_path / "a file"
    path.write_bytes(b"x" * size)
    assert is_good(ring, b"x" * size, ring.sign_file(path))


def test_an_imported_key_signs_where_it_is_chosen(ring: KeyRing, tmp_path: Path) -> None:
    key = Tsk.generate(user_id="Team <team@example.org>")
    view = ring.add("team", str(key))
    assert view.user_id == "Team <team@example.org>"
    assert [it.name for it in ring.all()] == ["quarters", "team"]
    chosen = KeyRing(tmp_path / "keys", PublishingSettings(key="team"))
    assert chosen.ensure().fingerprint == view.fingerprint
    assert is_good(chosen, b"x", chosen.sign(b"x"))


def test_a_key_is_never_replaced(ring: KeyRing) -> None:
    before = ring.fingerprint
    with pytest.raises(Conflict, match="already a key 'quarters'"):
        ring.add("quarters", str(Tsk.generate(user_id="Other")))
    with pytest.raises(Conflict):
        ring.create("quarters", "Other")
    assert ring.fingerprint == before


@pytest.mark.parametrize("text", ["", "no key", str(Tsk.generate(user_id="x").extract_certificate())])
def test_what_cannot_sign_is_not_imported(ring: KeyRing, text: str) -> None:
    with pytest.raises(Invalid, match=r"^This key cannot sign: [^\n]+ Export it with"):
        ring.add("bad", text)
    assert len(ring.all()) == 1


def test_a_key_that_is_missing_among_others_is_not_made_up(ring: KeyRing, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no key 'tema'"):
        KeyRing(tmp_path / "keys", PublishingSettings(key="tema")).ensure()


@pytest.mark.parametrize("name", ["../quarters", "", "a/b"])
def test_names_that_lead_elsewhere_are_refused(ring: KeyRing, name: str) -> None:
    with pytest.raises(Invalid):
        ring.show(name)
    with pytest.raises(Invalid):
        ring.add(name, str(Tsk.generate(user_id="x")))


def test_a_damaged_key_is_named(ring: KeyRing, tmp_path: Path) -> None:
    (tmp_path / "keys" / "quarters.asc").write_text("rubbish")
    with pytest.raises(Unavailable, match=r"quarters\.asc cannot be read"):
        KeyRing(tmp_path / "keys").sign(b"x")
