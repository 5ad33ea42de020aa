"""Signing keys: private files, made once, listed, imported, and never replaced."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pysequoia import Cert, Sig, Tsk, verify
from pysequoia.packet import PacketPile, Tag

from quarters.model.errors import Conflict, Invalid, NotFound, Unavailable
from quarters.protocol.resources import KeyState
from quarters.publishing.keys import KeyRing
from quarters.publishing.settings import PublishingSettings
from quarters.publishing.signing import secrets


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


def test_one_key_that_was_imported_before_the_first_start_signs(tmp_path: Path) -> None:
    KeyRing(tmp_path / "keys").add("team", str(Tsk.generate(user_id="Team")))
    ring = KeyRing(tmp_path / "keys")
    assert (ring.ensure().name, ring.show("team").state) == ("team", KeyState.SIGNING)


def test_the_chosen_key_signs_in_every_process_at_once(ring: KeyRing, tmp_path: Path) -> None:
    other_process = KeyRing(tmp_path / "keys")
    before = other_process.fingerprint
    new = ring.create("new", "New key")
    assert other_process.fingerprint == before
    ring.use("new")
    assert other_process.fingerprint == new.fingerprint
    assert {it.name: it.state for it in other_process.all()} == {"new": "signing", "quarters": "ready"}


def test_a_configured_key_is_not_replaced_by_a_chosen_one(ring: KeyRing, tmp_path: Path) -> None:
    ring.create("new", "New key")
    configured = KeyRing(tmp_path / "keys", PublishingSettings(key="quarters"))
    with pytest.raises(Conflict, match=r"publishing\.key"):
        configured.use("new")
    assert configured.fingerprint == ring.show("quarters").fingerprint


def test_a_retired_key_keeps_its_name_and_loses_its_secret(ring: KeyRing, tmp_path: Path) -> None:
    old = ring.show("quarters")
    ring.create("new", "New key")
    ring.use("new")
    assert ring.retire("quarters", revoke=True).fingerprint == old.fingerprint
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == [
        "current",
        "new.asc",
        "quarters.retired",
    ]
    assert [it.is_revoked for it in ring.retired()] == [True]
    assert [it.fingerprint.upper() for it in ring.trusted()] == [ring.fingerprint]
    with pytest.raises(Conflict, match="already a key 'quarters'"):
        ring.create("quarters", "Again")


def test_a_key_can_be_extended_again_and_again_within_a_second(ring: KeyRing) -> None:
    key = ring.create("short", "Short", days=10)
    for days in (20, 30, 5):
        extended = ring.extend("short", days)
        assert extended.fingerprint == key.fingerprint
        assert extended.expires_at is not None
        assert (
            timedelta(days=days, minutes=-5) < extended.expires_at - datetime.now(UTC) <= timedelta(days=days)
        )
    ring.use("short")
    assert is_good(ring, b"x", ring.sign(b"x"))


def test_an_imported_key_expires_with_the_subkey_that_signs(ring: KeyRing) -> None:
    # Sequoia gives all parts the same end, and `set_expiration` moves that of the primary key only.
    key = Tsk.generate(user_id="Team", validity_seconds=20 * 86_400)
    view = ring.add("team", str(key))
    assert view.expires_at is not None
    assert view.expires_at - datetime.now(UTC) < timedelta(days=21)
    with pytest.raises(Invalid, match="A subkey of this key expires earlier"):
        ring.extend("team", 400)
    assert ring.show("team") == view


def test_a_newer_form_of_a_key_takes_its_place(ring: KeyRing) -> None:
    key = Tsk.generate(user_id="Team")
    ring.add("team", str(key))
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=100)
    assert ring.add("team", str(secrets.prolonged(key, until))).expires_at == until


@pytest.mark.parametrize("days", [0, -1, 40_000])
def test_a_key_lasts_for_a_sensible_time(ring: KeyRing, days: int) -> None:
    with pytest.raises(Invalid, match="at least one day"):
        ring.create("short", "Short", days=days)
    with pytest.raises(Invalid):
        ring.extend("quarters", days)


def test_people_hear_of_a_key_that_expires_60_days_before(tmp_path: Path) -> None:
    made_at = datetime.now(UTC)
    days = 0
    ring = KeyRing(tmp_path / "keys", now=lambda: made_at + timedelta(days=days))
    ring.create("short", "Short", days=100)
    days = 39
    assert ring.warnings() == []
    assert ring.sign(b"x")
    days = 41
    assert "expires on" in ring.warnings()[0]
    assert ring.sign(b"x")
    days = 101
    assert "expired on" in ring.warnings()[0]
    with pytest.raises(Unavailable, match=r"expired on .*`quarters key extend short"):
        ring.sign(b"x")
