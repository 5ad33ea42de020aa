"""A builder that signs what it built, with the real gpg and the real sandbox."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pysequoia import Cert

from quarters.builder.settings import BuilderSettings
from quarters.model.build import Outcome, Reason
from quarters.publishing.signing import verification
from tests.inhabitants import WAITING, inhabitants, let_go
from tests.integration.recorder import Recorder, assignment, built, pkgbuild, running

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("bwrap", "makepkg", "pacman", "gpg"))),
    reason="the sandbox needs root, bubblewrap and pacman",
)

_MACHINES = ("usr", "proc", "dev", "sys")


@pytest.fixture
def gnupg() -> Iterator[Path]:
    """A keyring with one key; gpg's sockets must have short paths."""
    with TemporaryDirectory(prefix="q-") as name:
        gpg(
            Path(name),
            "--passphrase",
            "",
            "--quick-gen-key",
            "Builder One <one@example.org>",
            "ed25519",
            "sign",
        )
        yield Path(name)
        subprocess.run(["gpgconf", "--homedir", name, "--kill", "all"], check=True)


def gpg(home: Path, *arguments: str) -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--no-permission-warning", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def found(folder: Path, name: str) -> bytes:
    """Where files of that name are, on the folder's own file system."""
    return subprocess.run(
        ["find", str(folder), "-xdev", "-name", name], capture_output=True, check=False
    ).stdout


def signing(gnupg: Path) -> dict[str, object]:
    return {"signing_key": "one@example.org", "gnupg_home": gnupg}


async def test_what_is_built_is_signed_with_the_builders_own_key(tmp_path: Path, gnupg: Path) -> None:
    finish, server = await built(tmp_path / "data", pkgbuild(), builder=signing(gnupg))
    assert finish.outcome is Outcome.BUILT, server.log(1)
    (artifact,) = finish.artifacts
    cert = Cert.from_bytes(gpg(gnupg, "--export"))
    content = bytes(server.artifacts[artifact.file_name])
    key = verification.check(content, artifact.signature, [cert], datetime.now(UTC))
    assert key == cert.fingerprint.upper()


async def test_a_command_signs_as_well(tmp_path: Path) -> None:
    command = ("sh", "-c", "sha256sum | cut -c -64")
    finish, _ = await built(tmp_path / "data", pkgbuild(), builder={"signing_command": command})
    (artifact,) = finish.artifacts
    assert artifact.signature.decode().strip() == artifact.sha256


async def test_a_builder_that_cannot_sign_says_so_and_delivers_nothing(tmp_path: Path, gnupg: Path) -> None:
    chosen = {**signing(gnupg), "signing_key": "two@example.org"}
    finish, server = await built(tmp_path / "data", pkgbuild(), builder=chosen)
    assert (finish.outcome, finish.reason) == (Outcome.FAILED, Reason.INTERNAL_ERROR)
    assert "cannot be signed: gpg" in finish.message
    assert "two@example.org" in finish.message
    assert server.artifacts == {}


async def test_no_key_is_within_reach_of_a_build(tmp_path: Path, gnupg: Path) -> None:
    server, data = Recorder(), tmp_path / "data"
    server.assign(assignment(), pkgbuild(WAITING))
    async with asyncio.timeout(60), running(server, data, **signing(gnupg)):
        await server.until_logged(1, "\nwaiting\n")
        inside = inhabitants(data)
        for pid in inside:
            seen = Path(f"/proc/{pid}/environ").read_bytes()
            assert b"GNUPGHOME" not in seen
            assert str(gnupg).encode() not in seen
        root = Path(f"/proc/{inside[0]}/root")
        assert not (root / gnupg.relative_to("/")).exists()
        names = [path.name for path in (gnupg / "private-keys-v1.d").iterdir()]
        assert names
        assert not any(found(top, names[0]) for top in root.iterdir() if top.name not in _MACHINES)
        let_go(data)
        finish = await server.until_finished(1)
    assert finish.artifacts[0].signature  # the key was there all the time, for the builder alone


def test_nothing_is_signed_unless_a_key_is_named() -> None:
    from quarters.builder.signing import signer

    assert signer(BuilderSettings()) is None
