"""Every way to sign, held against gpg: the same signatures, whoever has the secret."""

import os
import select
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from quarters.model.errors import Unavailable
from quarters.publishing.keys import KeyRing
from quarters.publishing.settings import PublishingSettings
from quarters.publishing.signing.folder import Kind

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="signatures are verified with gpg")


@dataclass(frozen=True)
class Gpg:
    """A GnuPG home, with a short path because of its sockets."""

    home: Path

    def run(self, *arguments: str, given: bytes = b"", check: bool = True) -> bytes:
        command = [
            "gpg",
            "--homedir",
            str(self.home),
            "--batch",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]
        done = subprocess.run([*command, *arguments], input=given, capture_output=True, check=False)
        assert done.returncode == 0 or not check, done.stderr.decode()
        return done.stdout if done.returncode == 0 else b""

    def made(self) -> str:
        """A new key; its public half."""
        self.run("--quick-gen-key", "Team <team@example.org>", "ed25519", "sign", "2y")
        return self.run("--armor", "--export").decode()

    def accepts(self, content: Path, signature: bytes) -> bool:
        """Whether it takes `signature` for the content, as pacman would ask it."""
        path = content.with_name("signature")
        path.write_bytes(signature)
        said = self.run("--status-fd", "1", "--verify", str(path), str(content), check=False)
        return b"VALIDSIG" in said and b"EXPKEYSIG" not in said


@pytest.fixture
def gpg() -> Iterator[Gpg]:
    with TemporaryDirectory(prefix="q-") as folder:
        gpg = Gpg(Path(folder))
        yield gpg
        subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=True, capture_output=True)


@pytest.fixture
def module(tmp_path: Path, gpg: Gpg) -> Path:
    """What an administrator writes around a hardware security module."""
    path = tmp_path / "hsm"
    path.write_text(
        "#!/bin/sh\n"
        f'exec gpg --homedir {gpg.home} --batch --local-user "$QUARTERS_FINGERPRINT" --detach-sign -o - -\n'
    )
    path.chmod(0o755)
    return path


@pytest.fixture(params=list(Kind)[:3])
def ring(request: pytest.FixtureRequest, tmp_path: Path, gpg: Gpg, module: Path) -> KeyRing:
    """A ring whose key signs in the way that the parameter names; gpg knows its public half."""
    settings = PublishingSettings(
        key="team", gnupg_home=gpg.home, signing_command=(str(module),), signing_timeout=20
    )
    ring = KeyRing(tmp_path / "keys", settings)
    if request.param is Kind.FILE:
        gpg.run("--import", given=ring.create("team", "Team").armored.encode())
    else:
        ring.add("team", gpg.made(), request.param)
    assert ring.show("team").signer == request.param
    return ring


@pytest.mark.parametrize("size", [0, 1000, 5 << 20], ids=["empty", "small", "large"])
def test_gpg_verifies_what_is_signed_and_nothing_else(
    ring: KeyRing, gpg: Gpg, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "content"
    path.write_bytes(b"x" * size)
    for signature in (ring.sign(path.read_bytes()), ring.sign_file(path)):
        assert len(signature) < 16384
        assert signature[0] & 0x80, "binary, as pacman wants it"
        path.write_bytes(b"x" * size)
        assert gpg.accepts(path, signature)
        path.write_bytes(b"x" * size + b"y")
        assert not gpg.accepts(path, signature)


def test_the_fingerprint_is_that_of_the_primary_key(ring: KeyRing, gpg: Gpg) -> None:
    listed = gpg.run("--with-colons", "--list-keys").decode().splitlines()
    primary = next(line for line in listed if line.startswith("fpr:"))
    assert ring.signer().fingerprint == ring.fingerprint == primary.split(":")[9]


def test_files_of_the_folder_are_private(ring: KeyRing, tmp_path: Path) -> None:
    (path,) = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("cat > /dev/null; exit 3", "failed with code 3"),
        ("echo no card >&2; exit 2", "failed with code 2: no card"),
        ("sleep 60", "took more than 1 seconds"),
        ("sleep 60 & wait", "took more than 1 seconds"),
        ("true", "not one detached OpenPGP signature"),
        ("echo -----BEGIN PGP SIGNATURE-----", "armoured"),
        ("head -c 20000 /dev/zero", "20000 bytes"),
        ("head -c 200 /dev/urandom", "not one detached OpenPGP signature"),
        (
            "printf other | {gpg} --local-user $QUARTERS_FINGERPRINT --detach-sign -o - -",
            "not good for this content",
        ),
        ("{gpg} --local-user stranger --detach-sign -o - -", "which is not trusted"),
        (
            "{gpg} -u stranger -u $QUARTERS_FINGERPRINT --detach-sign -o - -",
            "not one detached OpenPGP signature",
        ),
    ],
)
def test_a_command_that_does_not_sign_rightly_is_not_believed(
    tmp_path: Path, gpg: Gpg, module: Path, script: str, why: str
) -> None:
    settings = PublishingSettings(key="team", signing_command=(str(module),), signing_timeout=20)
    KeyRing(tmp_path / "keys", settings).add("team", gpg.made(), Kind.COMMAND)
    gpg.run("--quick-gen-key", "stranger", "ed25519", "sign", "2y")
    module.write_text(f"#!/bin/sh\n{script.replace('{gpg}', f'gpg --homedir {gpg.home} --batch')}\n")
    hasty = PublishingSettings(
        key="team", signing_command=(str(module),), signing_timeout=1 if "sleep" in script else 20
    )
    with pytest.raises(Unavailable, match=why):
        KeyRing(tmp_path / "keys", hasty).sign(b"content")


def test_a_command_that_is_not_there_is_named(tmp_path: Path, gpg: Gpg) -> None:
    ring = KeyRing(tmp_path / "keys", PublishingSettings(signing_command=("/nowhere/hsm",)))
    with pytest.raises(Unavailable, match="/nowhere/hsm does not start"):
        ring.add("team", gpg.made(), Kind.COMMAND)
    assert ring.all() == []


def test_gpg_without_the_secret_says_so_when_its_key_is_imported(tmp_path: Path, gpg: Gpg) -> None:
    public = gpg.made()
    with TemporaryDirectory(prefix="q-") as empty:
        ring = KeyRing(tmp_path / "keys", PublishingSettings(gnupg_home=Path(empty)))
        with pytest.raises(Unavailable, match="gpg failed with code 2"):
            ring.add("team", public, Kind.GPG)
        subprocess.run(["gpgconf", "--homedir", empty, "--kill", "all"], check=True, capture_output=True)
    assert ring.all() == []


def test_a_command_leaves_nothing_running_behind(tmp_path: Path, gpg: Gpg, module: Path) -> None:
    note = tmp_path / "pid"
    sign = module.read_text().splitlines()[1].removeprefix("exec ")
    module.write_text(f"#!/bin/sh\nsleep 60 > /dev/null 2>&1 < /dev/null &\necho $! > {note}\n{sign}\n")
    ring = KeyRing(tmp_path / "keys", PublishingSettings(signing_command=(str(module),)))
    ring.add("team", gpg.made(), Kind.COMMAND)
    try:
        process = os.pidfd_open(int(note.read_text()))
    except ProcessLookupError:
        return
    ended, _, _ = select.select([process], [], [], 10)
    os.close(process)
    assert ended
