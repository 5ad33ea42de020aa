"""Exports to folders, served by a plain web server, and what becomes of them when they are repeated or broken off."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quarters.formats.pacman import Pacman
from tests.pacman_root import PacmanRoot, needs_pacman
from tests.person import Person
from tests.press import package
from tests.serving import Running
from tests.site import Site


@pytest.fixture
def person(server: Running) -> Person:
    return Person(server)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "public" / "own"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "public").mkdir()
    site = Site(tmp_path / "public")
    yield site
    await asyncio.to_thread(site.close)


def listed(target: Path) -> dict[str, str]:
    return {it.name: it.version for it in Pacman().read_index((target / "x86_64/own.db").read_bytes())}


def packages(target: Path) -> set[str]:
    return {it.name for it in (target / "x86_64").iterdir() if ".pkg." in it.name}


@needs_pacman
async def test_pacman_that_requires_signatures_installs_from_an_export(
    server: Running, person: Person, target: Path, site: Site, short_folder: Path
) -> None:
    keys = server.press.keys
    client = PacmanRoot(short_folder, f"{site.url}/own/$arch", keys.public(), keys.fingerprint)
    await server.press.upload(package("greet", "1:1-1", text="one"))
    said = await person.run("export", "own", str(target))
    assert said.startswith(f"{target} has snapshot 2 of own with 1 packages: 1 sent")
    code, said = await client.pacman("-Sy", "greet")
    assert (code, client.installed("greet")) == (0, "one"), said
    assert (await client.pacman("-Fy", "usr/share/greet"))[0] == 0

    await server.press.upload(package("greet", "1:2-1", text="two"))
    await person.run("export", "own", str(target))
    code, said = await client.pacman("-Syu")
    assert (code, client.installed("greet")) == (0, "two"), said

    # An older snapshot has an older index, and clients take it all the same.
    await person.run("export", "own", str(target), "--snapshot", "2")
    code, said = await client.pacman("-Syuu")
    assert (code, client.installed("greet")) == (0, "one"), said


async def test_only_what_changed_is_sent(server: Running, person: Person, target: Path) -> None:
    await server.press.upload(package("one"))
    first = await person.json("export", "own", str(target))
    assert (first["sent"], first["packages"], first["changed"]) == (1, 1, True)
    before = (target / "x86_64" / package("one").file_name).stat()
    await server.press.upload(package("two"))
    second = await person.json("export", "own", str(target))
    assert (second["sent"], second["packages"]) == (1, 2)
    assert (target / "x86_64" / package("one").file_name).stat() == before
    inodes = {it: it.lstat().st_ino for it in target.rglob("*")}
    assert "has snapshot 3 of own already." in await person.run("export", "own", str(target))
    assert {it: it.lstat().st_ino for it in target.rglob("*")} == inodes


async def test_what_got_lost_or_cut_at_the_target_is_sent_again(
    server: Running, person: Person, target: Path
) -> None:
    for name in ("one", "two", "three"):
        await server.press.upload(package(name))
    await person.run("export", "own", str(target))
    folder = target / "x86_64"
    (folder / package("one").file_name).unlink()
    (folder / package("two").file_name).write_bytes(b"cut")
    (folder / f"{package('three').file_name}.sig").unlink()
    done = await person.json("export", "own", str(target))
    assert (done["sent"], done["changed"]) == (2, True)
    assert (folder / package("two").file_name).read_bytes() == package("two").content
    assert (folder / f"{package('three').file_name}.sig").exists()


async def test_packages_go_only_when_asked_and_after_their_grace(
    server: Running, person: Person, target: Path
) -> None:
    old, new = package("greet", "1-1").file_name, package("greet", "2-1").file_name
    await server.press.upload(package("greet", "1-1"))
    await person.run("export", "own", str(target))
    (target / "x86_64" / "notes.txt").write_text("Mine.\n")
    await server.press.upload(package("greet", "2-1"))
    await person.run("export", "own", str(target))
    assert packages(target) == {old, f"{old}.sig", new, f"{new}.sig"}
    assert (await person.json("export", "own", str(target), "--delete", "--grace", "24"))["removed"] == 0
    assert (await person.json("export", "own", str(target), "--delete"))["removed"] == 1
    assert packages(target) == {new, f"{new}.sig"}
    assert (target / "x86_64" / "notes.txt").read_text() == "Mine.\n"
    said = await person.run("export", "own", str(target), "--grace", "24", code=1)
    assert "--grace says how many hours --delete waits; give both." in said


async def test_signatures_follow_a_new_key(server: Running, person: Person, target: Path) -> None:
    await server.press.upload(package("greet"))
    await person.run("export", "own", str(target))
    signature = target / "x86_64" / f"{package('greet').file_name}.sig"
    before = (signature.read_bytes(), (target / "x86_64/own.db.sig").read_bytes())
    server.press.keys.create("new", "New key")
    await server.admin.keys.use("new")
    done = await person.json("export", "own", str(target))
    assert (done["sent"], done["changed"]) == (0, True)
    after = (signature.read_bytes(), (target / "x86_64/own.db.sig").read_bytes())
    assert before[0] != after[0]
    assert before[1] != after[1]


async def test_places_that_cannot_be_exported_to_are_said_in_one_sentence(
    server: Running, person: Person, tmp_path: Path
) -> None:
    foreign, file, other = tmp_path / "foreign", tmp_path / "file", tmp_path / "other"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("Years of work.\n")
    file.write_text("")
    other.mkdir()
    (other / "export.json").write_text('{"repository": "theirs"}')
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "export.json").write_text("[")
    for place, sentence in (
        (str(foreign), f"{foreign} holds files and no export.json, so it is no export"),
        (str(file), f"{file} cannot be written: File exists."),
        (str(file / "below"), "cannot be written: Not a directory."),
        (str(other), f"{other} is an export of theirs."),
        (str(broken), f"export.json in {broken} was not written by an export."),
        ("ftp://example.org/x", "is neither a folder nor an address of rsync or s3."),
        ("s3://", "s3:// needs the name of a bucket"),
    ):
        said = await person.run("export", "own", place, "--delete", code=1)
        assert sentence in said
        assert said.count("\n") == 1
    assert [it.name for it in foreign.iterdir()] == ["thesis.txt"]
    assert "no repository 'nobody'" in await person.run("export", "nobody", str(tmp_path / "x"), code=1)
    assert "no snapshot 99" in await person.run(
        "export", "own", str(tmp_path / "x"), "--snapshot", "99", code=1
    )


async def test_an_export_killed_at_any_step_leaves_the_old_or_the_new(
    server: Running, person: Person, target: Path, tmp_path: Path, project: Path
) -> None:
    await server.press.upload(package("greet", "1-1"))
    await server.press.upload(package("gone", "1-1"))
    await person.run("export", "own", str(target))
    await server.press.upload(package("greet", "2-1"))
    await server.press.upload(package("late", "1-1"))
    await server.press.publisher.remove("own", "x86_64", "gone", "anna")
    key, scenes = tmp_path / "key.asc", tmp_path / "scenes"
    key.write_text(server.press.keys.public())
    scenes.mkdir()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.export_and_die", server.url, str(target), str(key), str(scenes),
        cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    said, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    reports = [json.loads(line) for line in said.splitlines()]
    old, new = {"greet": "1-1", "gone": "1-1"}, {"greet": "2-1", "late": "1-1"}
    assert len(reports) > 20
    for report in reports:
        assert report["left"] in (old, new), report
        assert report["missing"] == [], report
        assert report["then"] == new, report
        assert report["unfinished"] == [], report
        assert report["packages"] == ["greet-2-1", "late-1-1"], report
    assert old in (seen := [it["left"] for it in reports])
    assert new in seen[:-1]
