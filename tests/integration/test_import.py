"""Imports of repositories that repo-add and gpg made, from a folder and over HTTP, by a person's command."""

import asyncio
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from quarters.model.repository import Snapshot
from quarters.protocol.resources import NewRepository, RepositoryChange
from tests.person import Person
from tests.press import Made, package
from tests.serving import Running
from tests.site import Site

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("repo-add", "gpg")), reason="needs repo-add and gpg"
)

GREET, LIB, DATA = package("greet"), package("libgreet", "1:2.0-1"), package("data", arch="any")


class Maker:
    """Somebody with a gpg key who makes repositories by hand."""

    def __init__(self, home: Path) -> None:
        self._gpg = [
            "gpg",
            "--homedir",
            str(home),
            "--batch",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]
        self._environ = {**os.environ, "GNUPGHOME": str(home), "LC_ALL": "C"}
        self._run(*self._gpg, "--quick-gen-key", "Maker <maker@example.org>", "ed25519", "sign", "never")
        self.armored = self._run(*self._gpg, "--armor", "--export")

    def repository(self, folder: Path, *made: Made, signed: bool = False, name: str = "own") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for it in made:
            path = folder / it.file_name
            path.write_bytes(it.content)
            if signed:
                self._run(*self._gpg, "--yes", "--detach-sign", "--no-armor", str(path))
        files = [str(folder / it.file_name) for it in made]
        options = ["--sign"] if signed else []
        self._run("repo-add", "--quiet", *options, str(folder / f"{name}.db.tar.gz"), *files)
        return folder

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, env=self._environ, check=True, capture_output=True, text=True)
        return done.stdout


@pytest.fixture(scope="module")
def maker() -> Iterator[Maker]:
    with TemporaryDirectory(prefix="q-") as folder:  # gpg's sockets must have short paths
        yield Maker(Path(folder))
        subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=True)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    site = Site(folder)
    yield site
    await asyncio.to_thread(site.close)


@pytest.fixture
def person(server: Running) -> Person:
    return Person(server)


async def snapshots(server: Running) -> list[Snapshot]:
    return list((await server.admin.snapshots.list("own")).items)


async def test_a_folder_is_imported_in_one_snapshot_and_then_never_again(
    server: Running, person: Person, maker: Maker, tmp_path: Path
) -> None:
    folder = maker.repository(tmp_path / "theirs", GREET, LIB, DATA)
    tried = await person.json("import", "own", str(folder), "--dry-run")
    assert (tried["sent"], tried["packages"], tried["snapshot"]) == (3, 3, None)
    assert len(await snapshots(server)) == 1
    said = await person.run("import", "own", str(folder))
    assert "3 packages for own: 3 are new, 0 were there, 0 are refused." in said
    assert "own is now at snapshot 2 with 3 packages: import of 3 packages." in said
    assert await server.press.listed() == {"greet": "1.0-1", "libgreet": "1:2.0-1", "data": "1.0-1"}
    again = await person.json("import", "own", str(folder))
    assert (again["sent"], again["packages"], again["there"], again["snapshot"]) == (0, 0, 3, None)
    assert len(await snapshots(server)) == 2


async def test_an_import_over_http_fetches_only_what_is_lacking(
    server: Running, person: Person, maker: Maker, tmp_path: Path, site: Site
) -> None:
    await server.press.upload(LIB)
    maker.repository(tmp_path / "site" / "own" / "os" / "x86_64", GREET, LIB, DATA)
    done = await person.json("import", "own", f"{site.url}/$repo/os/$arch")
    assert (done["there"], done["sent"], done["packages"]) == (1, 2, 2)
    assert sorted(site.asked) == sorted(["own.db", GREET.file_name, DATA.file_name])
    site.asked.clear()
    await person.run("import", "own", f"{site.url}/$repo/os/$arch")
    assert site.asked == ["own.db"]


@pytest.mark.parametrize("over_http", [False, True], ids=["folder", "http"])
async def test_signatures_by_trusted_keys_are_kept_and_others_refused(
    server: Running, person: Person, maker: Maker, tmp_path: Path, site: Site, over_http: bool
) -> None:
    folder = maker.repository(tmp_path / "site" / "own", GREET, signed=True)
    alone = maker.repository(tmp_path / "site" / "own", LIB)
    assert alone == folder
    place = f"{site.url}/own" if over_http else str(folder)
    change = RepositoryChange(require_signature=True, keep_signatures=True)
    await server.admin.repositories.change("own", change)
    refused = await person.json("import", "own", place, code=1)
    assert refused["packages"] == 0
    assert len(refused["refused"]) == 2
    await server.admin.keys.trust("own", maker.armored)
    done = await person.json("import", "own", place, code=1)
    assert [it["file_name"] for it in done["refused"]] == [LIB.file_name]
    assert "signed packages only" in done["refused"][0]["reason"]
    name = f"{GREET.file_name}.sig"
    served = await server.press.shelf.signature("own", None, "x86_64", name)
    assert served == (folder / name).read_bytes()
    again = await person.json("import", "own", place, code=1)
    assert (again["there"], again["sent"]) == (1, 0)


async def test_signatures_are_left_where_no_key_is_trusted_and_that_is_said(
    person: Person, maker: Maker, tmp_path: Path
) -> None:
    folder = maker.repository(tmp_path / "theirs", GREET, signed=True)
    assert "own trusts no keys" in await person.run("import", "own", str(folder))


async def test_a_damaged_file_is_reported_and_all_others_come_in(
    server: Running, person: Person, maker: Maker, tmp_path: Path, site: Site
) -> None:
    bent, gone, short = package("bent"), package("gone"), package("short")
    folder = maker.repository(tmp_path / "site" / "own", GREET, bent, gone, short)
    content = bytearray(bent.content)
    content[-1] ^= 1
    (folder / bent.file_name).write_bytes(content)
    (folder / gone.file_name).unlink()
    (folder / short.file_name).write_bytes(short.content[:-1])
    for place in (str(folder), f"{site.url}/own"):
        said = await person.run("import", "own", place, code=1)
        assert f"{bent.file_name}: Its SHA-256 is not the one that the index gives." in said
        assert f"{gone.file_name}: " in said
        assert f"{short.file_name}: It " in said
    assert await server.press.listed() == {"greet": "1.0-1"}
    (folder / gone.file_name).write_bytes(gone.content)
    (folder / bent.file_name).write_bytes(bent.content)
    (folder / short.file_name).write_bytes(short.content)
    mended = await person.json("import", "own", str(folder))
    assert (mended["there"], mended["sent"], mended["packages"]) == (1, 3, 3)


async def test_an_index_that_lies_brings_nothing_but_what_is_true_of_it(
    server: Running, person: Person, tmp_path: Path
) -> None:
    (tmp_path / GREET.file_name).write_bytes(GREET.content)
    secret = tmp_path.parent / "secret"
    secret.write_bytes(b"Nobody's business.")
    true = {"SHA256SUM": hashlib.sha256(GREET.content).hexdigest(), "CSIZE": len(GREET.content)}
    entries = {
        "greet": {"FILENAME": GREET.file_name, **true},
        "outside": {"FILENAME": "../secret", "SHA256SUM": hashlib.sha256(b"").hexdigest(), "CSIZE": 18},
        "endless": {"FILENAME": f"{'x' * 5000}-1-1-any.pkg.tar.gz", **true},
        "nameless": true,
        "negative": {"FILENAME": "negative-1-1-any.pkg.tar.gz", **true, "CSIZE": -1},
        "immense": {"FILENAME": "immense-1-1-any.pkg.tar.gz", **true, "CSIZE": 10**30},
        "impostor": {"FILENAME": "impostor-1-1-any.pkg.tar.gz", **true},
    }
    with tarfile.open(tmp_path / "own.db", "w:gz") as archive:
        for name, fields in entries.items():
            lines = {"NAME": name, "VERSION": "1.0-1", "ARCH": "x86_64", **fields}
            text = "".join(f"%{key}%\n{value}\n\n" for key, value in lines.items()).encode()
            member = tarfile.TarInfo(f"{name}-1.0-1/desc")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    said = await person.run("import", "own", str(tmp_path), code=1)
    for name in ("outside", "endless", "nameless"):
        assert f"{name}: Its entry in the index names no file that could be a package." in said
    for name in ("negative", "immense"):
        assert f"{name}-1-1-any.pkg.tar.gz: Its entry in the index gives no SHA-256, or is damaged." in said
    assert "impostor-1-1-any.pkg.tar.gz: /" in said
    assert await server.press.listed() == {"greet": "1.0-1"}


async def test_older_and_changed_packages_are_refused_as_uploads_are(
    server: Running, person: Person, maker: Maker, tmp_path: Path
) -> None:
    await server.press.upload(package("greet", "3-1"))
    await server.press.upload(package("libgreet", "1:2.0-1", text="Another.\n"))
    folder = maker.repository(tmp_path / "theirs", GREET, LIB, DATA)
    said = await person.run("import", "own", str(folder), "--dry-run", code=1)
    assert "greet 1.0-1 is older than the published 3-1" in said
    assert "is published already with other content" in said
    done = await person.json("import", "own", str(folder), "--allow-downgrade", code=1)
    assert (done["packages"], len(done["refused"])) == (2, 1)
    assert (await server.press.listed())["greet"] == "1.0-1"


async def test_each_architecture_comes_from_its_own_folder(
    server: Running, person: Person, maker: Maker, tmp_path: Path
) -> None:
    await server.admin.repositories.create(NewRepository(name="both", arches=("x86_64", "aarch64")))
    place = str(tmp_path / "theirs" / "$arch")
    maker.repository(tmp_path / "theirs" / "x86_64", GREET, DATA, name="core")
    maker.repository(tmp_path / "theirs" / "aarch64", package("greet", arch="aarch64"), DATA, name="core")
    one = await person.json("import", "both", place, "--name", "core", "--arch", "aarch64")
    assert one["packages"] == 2
    assert await server.press.listed("both", "x86_64") == {"data": "1.0-1"}
    rest = await person.json("import", "both", place, "--name", "core")
    assert (rest["found"], rest["packages"]) == (3, 1)
    assert (await server.press.listed("both", "x86_64")).keys() == {"greet", "data"}
    said = await person.run("import", "both", place, "--name", "core", "--arch", "riscv64", code=1)
    assert "both is not for riscv64; it has x86_64, aarch64." in said


async def test_what_cannot_be_imported_from_is_said_in_one_sentence(
    person: Person, maker: Maker, tmp_path: Path, site: Site
) -> None:
    folder = maker.repository(tmp_path / "theirs", GREET, name="core")
    broken = tmp_path / "site" / "broken"
    broken.mkdir()
    (broken / "own.db").write_bytes((folder / "core.db").read_bytes()[:-20])
    empty = tmp_path / "empty"
    empty.mkdir()
    for place, sentence in (
        (str(folder), f"There is no own.db in {folder}; it has core.db: say --name core."),
        (str(empty), f"There is no own.db in {empty}; name the folder that has it"),
        (str(tmp_path / "nowhere"), f"There is no folder {tmp_path / 'nowhere'}."),
        (str(broken), "The index cannot be read: it is truncated."),
        (f"{site.url}/broken", "The index cannot be read: it is truncated."),
        (f"{site.url}/nowhere", f"There is no own.db at {site.url}/nowhere;"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1/own.db cannot be fetched:"),
        ("ftp://example.org", "is neither a folder nor an address of http or https."),
    ):
        said = await person.run("import", "own", place, code=1)
        assert sentence in said
        assert said.count("\n") == 1
    assert "no repository 'nobody'" in await person.run("import", "nobody", str(folder), code=1)
