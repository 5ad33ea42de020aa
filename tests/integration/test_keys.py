"""Keys with the real tools: rotation as pacman sees it, keyrings that pacman-key takes, uploaders' own signatures."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import pytest

from quarters.model.build import State
from quarters.model.errors import Conflict, Invalid, NotFound, PublishRejected, SignatureRefused, Unavailable
from quarters.protocol.resources import KeyState, RepositoryChange
from quarters.publishing.uploads import Terms
from quarters.storage import events
from tests.press import package, recipe
from tests.serving import Running, running

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0
    or any(shutil.which(tool) is None for tool in ("pacman", "pacman-key", "gpg", "bsdtar")),
    reason="installing packages needs pacman, gpg and root",
)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as server:
        server.clock.at = datetime.now(UTC)  # keys are made by programs that look at the real time
        yield server


@pytest.fixture
def short() -> Iterator[Path]:
    """gpg's sockets must have short paths."""
    with TemporaryDirectory(prefix="q-") as name:
        yield Path(name)


@dataclass(frozen=True)
class Client:
    """A scratch root whose pacman takes only what is signed by keys that it was given."""

    folder: Path
    url: str

    @property
    def gnupg(self) -> Path:
        return self.folder / "gnupg"

    def prepare(self) -> None:
        for name in ("root/var/lib/pacman", "root/var/cache/pacman/pkg", "hooks"):
            (self.folder / name).mkdir(parents=True)
        self.gnupg.mkdir(mode=0o700)
        (self.folder / "pacman.conf").write_text(
            f"[options]\nArchitecture = x86_64\nSigLevel = Required DatabaseRequired\n"
            f"RootDir = {self.folder}/root\nDBPath = {self.folder}/root/var/lib/pacman\n"
            f"CacheDir = {self.folder}/root/var/cache/pacman/pkg\nGPGDir = {self.gnupg}\n"
            f"HookDir = {self.folder}/hooks\nLogFile = {self.folder}/log\n"
            f"[own]\nServer = {self.url}/repo/$repo/$arch\n"
        )

    def trust(self, *keys: str | bytes) -> None:
        for key in keys:
            self.gpg("--import", given=key if isinstance(key, bytes) else key.encode())
        listed = self.gpg("--with-colons", "--list-keys").splitlines()
        trusted = "".join(f"{line.split(':')[9]}:6:\n" for line in listed if line.startswith("fpr:"))
        self.gpg("--import-ownertrust", given=trusted.encode())

    def gpg(self, *arguments: str, given: bytes = b"") -> str:
        command = ["gpg", "--homedir", str(self.gnupg), "--batch", "--no-permission-warning", *arguments]
        return subprocess.run(command, input=given, check=True, capture_output=True).stdout.decode()

    async def installs(self, name: str) -> bool:
        """Whether a client with no index yet refreshes and installs; nothing stays behind."""
        # pacman 6.0.2 may crash over a package that is signed by a stranger, and then leaves its lock.
        (self.folder / "root/var/lib/pacman/db.lck").unlink(missing_ok=True)
        for cached in (self.folder / "root/var/cache/pacman/pkg").iterdir():
            cached.unlink()
        code, said = await self.pacman("-Syy", "--overwrite", "*", name)
        installed = (self.folder / "root/usr/share" / name).exists()
        assert installed == (code == 0), said
        if installed:
            await self.pacman("-R", name)
        return installed

    async def pacman(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            "pacman", "--config", str(self.folder / "pacman.conf"), "--noconfirm", *arguments,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
        said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode()


def client(short: Path, server: Running, *armored: str) -> Client:
    made = Client(short / f"c{len(list(short.iterdir()))}", server.url)
    made.prepare()
    made.trust(*armored)
    return made


async def signature_of(server: Running, name: str) -> bytes:
    return await server.press.shelf.signature("own", None, "x86_64", f"{name}-1.0-1-x86_64.pkg.tar.gz.sig")


async def test_clients_see_a_rotation_as_it_is_documented(server: Running, short: Path) -> None:
    await server.press.upload(package("early"))
    keys = server.press.keys
    old, new = keys.public(), keys.create("new", "New key").armored
    knows_old, knows_new = client(short, server, old), client(short, server, new)
    knows_both = client(short, server, old, new)

    async def seen(name: str) -> tuple[bool, bool, bool]:
        return (
            await knows_old.installs(name),
            await knows_new.installs(name),
            await knows_both.installs(name),
        )

    # Made, and in the keyring: nothing changes yet.
    assert await seen("early") == (True, False, True)
    await server.admin.keys.use("new")
    # What was published before is signed anew, so that the new key alone is enough at once.
    assert await seen("early") == (False, True, True)
    await server.press.upload(package("late"))
    assert await seen("late") == (False, True, True)
    await server.admin.keys.retire("quarters")
    assert await seen("early") == (False, True, True)


async def test_a_client_whose_index_is_current_follows_a_rotation(server: Running, short: Path) -> None:
    await server.press.upload(package("early"))
    new = server.press.keys.create("new", "New key").armored
    both = client(short, server, server.press.keys.public(), new)
    assert (await both.pacman("-Sy"))[0] == 0
    await server.admin.keys.use("new")
    code, said = await both.pacman("-Sy", "early")
    assert code == 0, said


async def test_pacman_takes_no_file_of_two_signatures_if_it_knows_one_of_the_keys(
    server: Running, short: Path
) -> None:
    # Why a rotation cannot serve both keys' signatures at once.
    await server.press.upload(package("early"))
    keys = server.press.keys
    old = keys.public()
    path, _ = await server.press.shelf.package_file("own", None, "x86_64", "early-1.0-1-x86_64.pkg.tar.gz")
    first = keys.sign_file(path)
    keys.create("new", "New key")
    keys.use("new")
    file = short / "early-1.0-1-x86_64.pkg.tar.gz"
    shutil.copy(path, file)
    knows_old = client(short, server, old)
    signature = file.with_name(f"{file.name}.sig")
    for content, code in ((first, 0), (first + keys.sign_file(path), 1)):
        signature.write_bytes(content)
        config = knows_old.folder / "pacman.conf"
        config.write_text(config.read_text().replace("SigLevel", "LocalFileSigLevel = Required\nSigLevel", 1))
        assert (await knows_old.pacman("-U", "--overwrite", "*", str(file)))[0] == code


async def test_the_key_that_signs_cannot_be_retired_nor_a_retired_one_used(server: Running) -> None:
    with pytest.raises(Conflict, match="let another one do so first"):
        await server.admin.keys.retire("quarters")
    server.press.keys.create("new", "New key")
    await server.admin.keys.use("new")
    assert (await server.admin.keys.retire("quarters")).state is KeyState.RETIRED
    happened = await server.services.database.read(events.after, 0)
    told = [(it.kind, it.subject) for it in happened if it.kind.startswith("key.")]
    assert told[-1] == ("key.retired", "quarters")
    assert "key.used" in {kind for kind, _ in told}
    assert not (server.press.folder / "keys" / "quarters.asc").exists()
    with pytest.raises(Conflict, match="is retired"):
        await server.admin.keys.use("quarters")
    with pytest.raises(NotFound):
        await server.admin.keys.use("nobody")


async def test_a_key_that_expired_holds_publishing_up_and_loses_nothing(server: Running) -> None:
    press = server.press
    press.keys.create("short", "Short-lived", days=90)
    await server.admin.keys.use("short")
    assert press.keys.warnings() == []
    press.clock.at += timedelta(days=31)
    (warning,) = press.keys.warnings()
    assert "quarters key extend short" in warning
    await press.published(recipe("before"), package("before"))
    press.clock.at += timedelta(days=60)
    build = await press.delivered(recipe("late"), package("late"))
    await press.deliveries.publish_ready()
    waiting = await press.build(build)
    assert waiting.state is State.PUBLISHING
    assert "the key short, which signs, expired on" in waiting.message
    with pytest.raises(Unavailable, match="expired on"):
        await press.upload(package("other"))
    assert await press.listed() == {"before": "1.0-1"}
    press.keys.extend("short", 365)
    press.clock.at += timedelta(minutes=5)
    await press.deliveries.publish_ready()
    assert (await press.build(build)).state is State.SUCCEEDED
    assert press.keys.warnings() == []


async def test_an_extended_key_is_still_the_same_to_gpg(server: Running, short: Path) -> None:
    press = server.press
    press.keys.create("short", "Short-lived", days=10)
    before = press.keys.show("short")
    await server.admin.keys.use("short")
    after = await server.admin.keys.extend("short", 400)
    assert (after.fingerprint, after.expires_at) != (before.fingerprint, before.expires_at)
    assert after.fingerprint == before.fingerprint
    await press.upload(package("early"))
    assert await client(short, server, before.armored, after.armored).installs("early")


@dataclass(frozen=True)
class Person:
    """Somebody with a key of their own."""

    home: Path

    def run(self, *arguments: str, given: bytes = b"") -> bytes:
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
        return subprocess.run([*command, *arguments], input=given, capture_output=True, check=True).stdout

    @property
    def public(self) -> str:
        return self.run("--armor", "--export").decode()

    @property
    def fingerprint(self) -> str:
        lines = self.run("--with-colons", "--list-keys").decode().splitlines()
        return next(line.split(":")[9] for line in lines if line.startswith("fpr:"))

    def signed(self, content: bytes, *options: str) -> bytes:
        return self.run(*options, "--detach-sign", "--output", "-", "-", given=content)


def person(short: Path, name: str) -> Iterator[Person]:
    home = short / name
    home.mkdir(mode=0o700)
    made = Person(home)
    made.run("--quick-gen-key", f"{name} <{name}@example.org>", "ed25519", "sign", "2y")
    yield made
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True, capture_output=True)


@pytest.fixture
def anna(short: Path) -> Iterator[Person]:
    yield from person(short, "anna")


@pytest.fixture
def mallory(short: Path) -> Iterator[Person]:
    yield from person(short, "mallory")


async def publish(server: Running, short: Path, name: str, signature: bytes | None) -> None:
    made = package(name)
    path = short / made.file_name
    path.write_bytes(made.content)
    await server.admin.repositories.publish("own", path, signature)


async def test_an_uploaders_signature_is_verified_kept_and_served_if_the_policy_says_so(
    server: Running, short: Path, anna: Person
) -> None:
    await server.admin.keys.trust("own", anna.public)
    signature = anna.signed(package("hers").content)
    await publish(server, short, "hers", signature)
    own, hers = client(short, server, server.press.keys.public()), client(short, server, anna.public)
    assert await signature_of(server, "hers") != signature
    assert await own.installs("hers")
    await server.admin.repositories.change("own", RepositoryChange(keep_signatures=True))
    assert await signature_of(server, "hers") == signature
    assert not await own.installs("hers")
    assert not await hers.installs("hers"), "the index is signed by the server"
    keyring = await server.admin.keys.keyring("own")
    both = client(short, server)
    both.trust(keyring)
    assert await both.installs("hers")
    await server.admin.keys.distrust("own", anna.fingerprint.lower())
    assert await own.installs("hers")


async def test_signatures_by_strangers_for_other_content_or_none_are_refused(
    server: Running, short: Path, anna: Person, mallory: Person
) -> None:
    await server.admin.keys.trust("own", anna.public)
    content = package("it").content
    await server.admin.repositories.change("own", RepositoryChange(require_signature=True))
    for signature, why in (
        (None, "takes signed packages only"),
        (mallory.signed(content), f"by the key {mallory.fingerprint}, which is not trusted"),
        (anna.signed(content + b"x"), f"by the key {anna.fingerprint} is not good for this content"),
        (anna.signed(content, "--armor"), "armoured"),
        (anna.signed(content) + mallory.signed(content), "not one detached"),
        (b"", "not one detached"),
    ):
        with pytest.raises((SignatureRefused, PublishRejected, Invalid), match=why):
            await publish(server, short, "it", signature)
    await publish(server, short, "it", anna.signed(content))
    assert await server.press.listed() == {"it": "1.0-1"}


async def test_an_expired_uploader_is_refused_even_with_a_signature_of_before(
    server: Running, short: Path, anna: Person
) -> None:
    await server.admin.keys.trust("own", anna.public)
    signature = anna.signed(package("it").content)
    server.clock.at += timedelta(days=3 * 365)
    with pytest.raises((SignatureRefused, Invalid), match="which expired on"):
        await publish_by_hand(server, short, signature)


async def publish_by_hand(server: Running, short: Path, signature: bytes) -> None:
    made = package("it")
    path = short / made.file_name
    path.write_bytes(made.content)
    await server.press.publisher.upload("own", made.file_name, path, "anna", Terms(signature=signature))


@pytest.mark.parametrize("what", ["a secret", "nothing"])
async def test_only_public_keys_are_trusted(server: Running, anna: Person, what: str) -> None:
    text = anna.run("--armor", "--export-secret-keys").decode() if what == "a secret" else "no key"
    with pytest.raises(Invalid, match=r"secret key|no public key"):
        await server.admin.keys.trust("own", text)


async def test_the_keyring_package_makes_pacman_trust_and_distrust(server: Running, short: Path) -> None:
    keys = server.press.keys
    old = keys.fingerprint
    keys.create("new", "New key")
    await server.admin.keys.use("new")
    await server.admin.keys.retire("quarters", revoke=True)
    made = await server.admin.keys.publish_keyring("own")
    assert (made.name, made.version) == ("own-keyring", f"{server.clock.at:%Y%m%d}-1")
    assert await server.admin.keys.publish_keyring("own") == made, "the same keys are the same package"

    there = client(short, server, keys.public())
    code, said = await there.pacman("-Sy", "own-keyring")
    assert code == 0, said
    folder = there.folder / "root/usr/share/pacman/keyrings"
    assert (folder / "own-trusted").read_text() == f"{keys.fingerprint}:4:\n"
    assert (folder / "own-revoked").read_text() == f"{old}\n"
    code, said = await there.pacman("-Qkk", "own-keyring")
    assert code == 0, said

    # pacman-key itself, told only where the package was unpacked: the folder is fixed in the script.
    script = short / "pacman-key"
    original = Path(shutil.which("pacman-key") or "").read_text()
    line = re.compile(r"KEYRING_IMPORT_DIR='[^']+'")
    assert line.search(original)
    script.write_text(line.sub(f"KEYRING_IMPORT_DIR='{folder}'", original))
    fresh = client(short, server)
    await asyncio.to_thread(populate, script, fresh)
    await server.press.upload(package("early"))
    assert await fresh.installs("early")
    listed = fresh.gpg("--with-colons", "--list-keys")
    assert re.search(f"pub:r:[^\n]+\nfpr:+{old}:", listed), "revoked"


def populate(script: Path, client: Client) -> None:
    for arguments in (("--init",), ("--populate", "own")):
        where = ["--config", str(client.folder / "pacman.conf"), "--gpgdir", str(client.gnupg)]
        subprocess.run(["bash", str(script), *where, *arguments], check=True, capture_output=True)
    subprocess.run(["gpgconf", "--homedir", client.gnupg, "--kill", "all"], check=True, capture_output=True)


async def test_other_keys_on_the_same_day_are_another_release_of_the_keyring(server: Running) -> None:
    today = f"{server.clock.at:%Y%m%d}"
    assert (await server.admin.keys.publish_keyring("own")).version == f"{today}-1"
    server.press.keys.create("new", "New key")
    assert (await server.admin.keys.publish_keyring("own")).version == f"{today}-2"
    server.clock.at += timedelta(days=1)
    assert (await server.admin.keys.publish_keyring("own")).version == f"{today}-2"
    await server.admin.keys.use("new")
    await server.admin.keys.retire("quarters")
    assert (await server.admin.keys.publish_keyring("own")).version == f"{server.clock.at:%Y%m%d}-1"


async def test_a_keyring_package_can_be_had_without_publishing_it(server: Running) -> None:
    name, content = await server.admin.keys.keyring_package("own")
    assert name == f"own-keyring-{server.clock.at:%Y%m%d}-1-any.pkg.tar.zst"
    path = server.press.folder / "keyring"
    path.write_bytes(content)
    assert server.services.formats["pacman"].read_package(path, name).name == "own-keyring"
    assert await server.press.listed() == {}


def quarters(server: Running, *arguments: str, code: int = 0, **variables: str) -> str:
    """What the command says."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("QUARTERS_")}
    environ |= {"QUARTERS_URL": server.url, "QUARTERS_TOKEN": server.token, **variables}
    environ["QUARTERS_STORAGE__DATA"] = str(server.press.folder)
    command = [sys.executable, "-m", "quarters.cli", *arguments]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


async def test_a_rotation_on_the_command_line(server: Running, short: Path) -> None:
    def rotate() -> None:
        assert "quarters key use new" in quarters(server, "key", "create", "new", "--days", "30")
        assert "(in 29 d" in quarters(server, "key", "list")
        assert "signs now" in quarters(server, "key", "use", "new")
        assert "expires on" in quarters(server, "key", "extend", "new", "--days", "400")
        assert "(in" not in quarters(server, "key", "list")
        assert "let another one do so first" in quarters(server, "key", "retire", "new", code=1)
        assert "is retired" in quarters(server, "key", "retire", "quarters", "--revoke")
        assert "own-keyring" in quarters(server, "key", "keyring", "own", "--publish")
        assert ".pkg.tar.zst is written" in quarters(server, "key", "keyring", "own", "--folder", str(short))

    await asyncio.to_thread(rotate)
    assert len(list(short.glob("own-keyring-*-any.pkg.tar.zst"))) == 1
    assert {it.name: it.state for it in (await server.admin.keys.list()).items} == {
        "new": KeyState.SIGNING,
        "quarters": KeyState.RETIRED,
    }


async def test_signed_uploads_on_the_command_line(server: Running, short: Path, anna: Person) -> None:
    made = package("hers")
    file, public = short / made.file_name, short / "anna.asc"
    signature = file.with_name(f"{file.name}.sig")
    file.write_bytes(made.content)
    signature.write_bytes(anna.signed(made.content))
    public.write_text(anna.public)

    def upload() -> None:
        publish = ("repo", "publish", "own", str(file))
        assert anna.fingerprint in quarters(server, *publish, str(signature), code=1)
        assert anna.fingerprint in quarters(server, "key", "trust", "own", str(public))
        policy = ("key", "policy", "own", "--require-signature", "--keep-signatures")
        assert "refused" in quarters(server, *policy)
        assert "takes signed packages only" in quarters(server, *publish, code=1)
        assert "name that file as well" in quarters(server, "repo", "publish", "own", str(signature), code=1)
        assert "is published" in quarters(server, *publish, str(signature))
        assert anna.fingerprint not in quarters(server, "key", "distrust", "own", anna.fingerprint)

    await asyncio.to_thread(upload)
    assert await server.press.listed() == {"hers": "1.0-1"}


async def test_what_needs_attention_is_told_by_the_servers_health(server: Running) -> None:
    async def warnings() -> list[str]:
        async with aiohttp.ClientSession() as session, session.get(f"{server.url}/health/ready") as answer:
            assert answer.status == 200
            found: list[str] = (await answer.json())["warnings"]
            return found

    assert await warnings() == []
    server.press.keys.create("short", "Short-lived", days=59)
    await server.admin.keys.use("short")
    (warning,) = await warnings()
    assert "the key short, which signs, expires on" in warning
