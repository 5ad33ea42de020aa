"""Snapshots, promotions, retention and checks over a real connection, and by the commands of a person."""

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from quarters.model.errors import Forbidden, Invalid, NotFound, PublishRejected
from quarters.model.token import Scope
from quarters.protocol.resources import NewRepository, RepositoryChange
from quarters.protocol.snapshots import Promotion
from tests.person import Person
from tests.press import package
from tests.serving import Running

PACKAGES = (
    package("greet", "1-1"),
    package("greet", "2-1"),
    package("app", "1-1", more="depend = greet>=2\n"),
)


@pytest.fixture
async def filled(server: Running) -> Running:
    """Snapshots 1 (empty), 2 (greet 1), 3 (greet 2) and 4 (app as well) a day apart, and an empty `stable`."""
    await server.admin.repositories.create(NewRepository(name="stable"))
    for made in PACKAGES:
        server.clock.at += timedelta(days=1)
        await server.press.upload(made)
    return server


async def test_snapshots_are_shown_compared_and_pinned(filled: Running) -> None:
    snapshots = filled.admin.snapshots
    made = await snapshots.pin("own", "2026-11-22", "release-1")
    assert (made.number, made.actor) == (2, "admin")
    assert await snapshots.pins("own") == (made,)
    shown = await snapshots.show("own", "release-1")
    assert (shown.number, shown.pins) == (2, ("release-1",))
    found = await snapshots.difference("own", "release-1", 4)
    assert [(it.name, it.before, it.after) for it in found.changed] == [("greet", "1-1", "2-1")]
    assert [(it.name, it.after) for it in found.added] == [("app", "1-1")]
    assert (found.before, found.after, found.removed) == (2, 4, ())
    assert (await snapshots.rollback("own", "release-1")).note == "rollback to 2"
    await snapshots.unpin("own", "release-1")
    with pytest.raises(NotFound):
        await snapshots.show("own", "release-1")
    with pytest.raises(Invalid):
        await snapshots.pin("own", 2, "2026")


async def test_a_promotion_says_what_would_be_missing(filled: Running) -> None:
    snapshots = filled.admin.snapshots
    with pytest.raises(PublishRejected, match=r"app 1-1 .* needs greet>=2"):
        await snapshots.promote("own", Promotion(target="stable", packages=("app",)))
    tried = await snapshots.promote("own", Promotion(target="stable", packages=("app",), dry_run=True))
    assert (len(tried.missing), tried.snapshot) == (1, None)
    assert (await snapshots.promote("own", Promotion(target="stable"))).missing == ()


async def test_a_repository_is_cleaned_by_its_policy(filled: Running) -> None:
    await filled.admin.repositories.change("own", RepositoryChange(keep_days=1))
    assert (await filled.admin.snapshots.clean("own", dry_run=True)).expired == (1,)
    assert (await filled.admin.snapshots.clean("own")).expired == (1,)
    assert [it.number for it in (await filled.admin.snapshots.list("own")).items] == [4, 3, 2]
    with pytest.raises(Invalid):
        await filled.admin.repositories.change("own", RepositoryChange(keep_days=-1))


async def test_checking_and_cleaning_is_for_administrators(filled: Running) -> None:
    token = await filled.create_token(Scope.PUBLISH)
    async with filled.client(token.secret) as client:
        await client.snapshots.pin("own", 2, "mine")
        with pytest.raises(Forbidden):
            await client.snapshots.clean("own")
        with pytest.raises(Forbidden):
            await client.checks.check("own", repair=True)


def damage(server: Running) -> Path:
    (folder,) = (server.press.folder / "index" / "own").glob("4-*")
    path = folder / "x86_64" / "own.db.tar.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path


async def test_a_check_finds_damage_and_repairs_it(filled: Running) -> None:
    assert (await filled.admin.checks.check("own")).findings == ()
    path = damage(filled)
    damaged = await filled.admin.served.read("own", 4, "x86_64", "own.db")
    assert (await filled.admin.checks.check("own")).findings
    assert (await filled.admin.checks.check("own", repair=True)).repairs
    assert (await filled.admin.checks.check("own")).findings == ()
    mended = await filled.admin.served.read("own", 4, "x86_64", "own.db")
    assert mended.data == path.read_bytes() != damaged.data


async def test_the_commands_for_snapshots(filled: Running) -> None:
    person = Person(filled)
    assert "own@release-1/$arch" in await person.run("pin", "own", "2", "release-1")
    assert "release-1" in await person.run("snapshots", "own")
    assert (await person.run("diff", "own", "release-1", "4")).split() == [
        "PACKAGE", "ARCH", "BEFORE", "AFTER", "app", "x86_64", "-", "1-1", "greet", "x86_64", "1-1", "2-1",
    ]  # fmt: skip
    assert await person.run("diff", "own", "4", "4") == "They list the same.\n"
    assert "rollback to 2" in await person.run("rollback", "own", "release-1", "--yes")
    assert await person.json("unpin", "own", "release-1") == {"removed": "release-1"}
    assert "no pin" in await person.run("unpin", "own", "release-1", code=1)


async def test_the_commands_for_promotion(filled: Running) -> None:
    person = Person(filled)
    assert "needs greet>=2" in await person.run("promote", "own", "stable", "app", "--dry-run", code=1)
    assert "needs greet>=2" in await person.run("promote", "own", "stable", "app", code=1)
    assert "or give --all" in await person.run("promote", "own", "stable", code=1)
    assert "stable is now at snapshot 2" in await person.run("promote", "own", "stable", "--all")


async def test_a_repository_gets_other_architectures_and_upstreams(filled: Running) -> None:
    person = Person(filled)
    said = await person.run("edit", "own", "--arch", "x86_64", "--arch", "aarch64")
    assert "x86_64, aarch64" in said
    core = "core=https://mirror.example/$repo/os/$arch"
    changed = await person.json("edit", "own", "--upstream", core, "--description", "Mine")
    assert [it["name"] for it in changed["upstreams"]] == ["core"]
    assert (changed["arches"], changed["description"]) == (["x86_64", "aarch64"], "Mine")
    assert (await person.json("edit", "own", "--no-upstream"))["upstreams"] == []
    assert "Say what to change" in await person.run("edit", "own", code=1)
    assert "is not NAME=SERVER" in await person.run("edit", "own", "--upstream", "core", code=1)
    assert "no --upstream of that name" in await person.run("edit", "own", "--upstream-key", "a=b", code=1)


async def test_several_packages_come_and_go_in_one_snapshot_or_none_of_them(
    filled: Running, tmp_path: Path
) -> None:
    person, files = Person(filled), []
    for made in (package("one"), package("two"), package("greet", "1-2")):
        files.append(str(tmp_path / made.file_name))
        Path(files[-1]).write_bytes(made.content)
    said = await person.run("publish", "own", *files, code=1)
    assert "Nothing is published, since not all can be." in said
    assert "greet 1-2 is older than the published 2-1" in said
    before = (await filled.admin.snapshots.list("own")).items[0].number
    published = await person.json("publish", "own", *files[:2])
    assert [it["name"] for it in published] == ["one", "two"]
    assert (await filled.admin.snapshots.list("own")).items[0].number == before + 1
    await person.run("publish", "own", *files, "--allow-downgrade")
    said = await person.run("remove", "own", "one", "three", "--yes", code=1)
    assert "own lists no package 'three'." in said
    removed = await person.json("remove", "own", "one", "two", "--yes")
    assert (removed["number"], removed["note"]) == (before + 3, "removal of one, two")


async def test_a_package_is_shown_with_all_that_is_known_of_it(filled: Running) -> None:
    person = Person(filled)
    said = await person.run("package", "own", "greet")
    assert "greet 2-1 (x86_64)" in said
    assert re.search(r"Needed by +app\n", said)
    assert re.search(r"From +an upload\n", said)
    assert re.search(r"1-1 +just now +2 +3", said)
    assert await person.run("package", "own", "greet", "--files") == "usr/share/greet\n"
    assert (await person.json("package", "own", "app"))["depends"] == ["greet>=2"]


async def test_the_commands_for_upkeep(filled: Running) -> None:
    person = Person(filled)
    assert "2 newest versions and 1 days" in await person.run("keep", "own", "--versions", "2", "--days", "1")
    assert "1 snapshots of own would expire: 1." in await person.run("clean", "own", "--dry-run")
    assert (await person.json("clean", "own"))["expired"] == [1]
    assert await person.run("check", "own") == "own: 3 packages checked, nothing wrong.\n"
    damage(filled)
    (checked, _) = await person.json("check", "--all", code=1)
    assert checked["findings"][0]["damage"] == "index_damaged"
    assert "is made anew" in await person.run("check", "own", "--repair", code=1)
    await person.run("check", "--all")


def test_upkeep_killed_at_any_step_leaves_the_old_or_the_new_and_nothing_for_a_check_to_find(
    tmp_path: Path, project: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.upkeep_and_die", str(tmp_path)],
        cwd=project, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    new, old, none = {"greet": "4-1"}, {"greet": "1-1"}, dict[str, str]()
    ends = {
        "rollback": ({"own": new, "final": none}, {"own": old, "final": none}, 4),
        "promotion": ({"own": new, "final": none}, {"own": new, "final": new}, 4),
        "cleaning": ({"own": new, "final": none}, {"own": new, "final": none}, 2),
    }
    for report in reports:
        before, after, files = ends[report["operation"]]
        assert report["left"] in (before, after)
        assert (report["then"], report["files"]) == (after, files), report
        assert (report["findings"], report["unfinished"]) == ([], [])
    steps = {name: sum(it["operation"] == name for it in reports) for name in ends}
    assert all(count > 2 for count in steps.values()), steps
