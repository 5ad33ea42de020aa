"""Imports: what is weighed, taken and listed, and what is refused without keeping out the rest."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from quarters.model.errors import PackageInvalid, PublishRejected, SignatureRefused
from quarters.protocol.imports import Import, Offer, Offered, Verdict
from quarters.protocol.resources import RepositoryChange
from quarters.publishing.verify import Delivered
from quarters.storage.database import Database
from tests.press import Made, Press, package


@pytest.fixture
async def press(database: Database, tmp_path: Path) -> Press:
    press = Press(database, tmp_path / "data")
    await press.repository()
    return press


def sha256(made: Made) -> str:
    return hashlib.sha256(made.content).hexdigest()


def offered(made: Made, *, signed: bool = False) -> Offered:
    name, version, release, arch = made.file_name.partition(".pkg")[0].rsplit("-", 3)
    return Offered(
        file_name=made.file_name,
        name=name,
        version=f"{version}-{release}",
        arch=arch,
        sha256=sha256(made),
        signed=signed,
    )


async def weighed(press: Press, *made: Made, allow_downgrade: bool = False) -> list[Verdict]:
    offer = Offer(packages=tuple(map(offered, made)), allow_downgrade=allow_downgrade)
    return [it.verdict for it in await press.imports.weigh("own", offer)]


async def take(press: Press, made: Made, announced: Delivered | None = None) -> None:
    path = press.folder / "sent"
    path.write_bytes(made.content)
    announced = announced or Delivered(file_name=made.file_name, size=len(made.content), sha256=sha256(made))
    try:
        await press.imports.take("own", announced, path, None)
    finally:
        path.unlink()


def all_of(*made: Made) -> Import:
    return Import(packages=tuple(map(sha256, made)))


async def test_all_that_was_sent_becomes_visible_in_one_snapshot(press: Press) -> None:
    some = [package("one"), package("two", "1:2-1"), package("three", arch="any")]
    assert await weighed(press, *some) == [Verdict.WANTED] * 3
    for made in some:
        await take(press, made)
    assert await press.listed() == {}
    assert await weighed(press, *some) == [Verdict.HELD] * 3
    done = await press.imports.publish("own", all_of(*some), "anna")
    assert await press.listed() == {"one": "1.0-1", "two": "1:2-1", "three": "1.0-1"}
    assert done.snapshot is not None
    assert (done.packages, done.refused, done.snapshot.number) == (3, (), 2)
    assert done.snapshot.note == "import of 3 packages"
    assert await weighed(press, *some) == [Verdict.LISTED] * 3


async def test_importing_the_same_again_makes_no_snapshot(press: Press) -> None:
    made = package("one")
    await take(press, made)
    await press.imports.publish("own", all_of(made), "anna")
    again = await press.imports.publish("own", all_of(made), "anna")
    assert (again.packages, again.refused, again.snapshot) == (0, (), None)


async def test_what_is_refused_keeps_out_nothing_else(press: Press) -> None:
    await press.upload(package("old", "2-1"))
    await press.upload(package("same", text="one"))
    some = [package("old", "1-1"), package("same", text="other"), package("new")]
    assert await weighed(press, *some) == [Verdict.REFUSED, Verdict.REFUSED, Verdict.WANTED]
    for made in some:
        await take(press, made)
    lost = package("never-sent")
    done = await press.imports.publish("own", all_of(*some, lost), "anna")
    assert await press.listed() == {"old": "2-1", "same": "1.0-1", "new": "1.0-1"}
    reasons = {it.file_name: it.reason for it in done.refused}
    assert "is older than the published 2-1" in reasons[some[0].file_name]
    assert "is published already with other content" in reasons[some[1].file_name]
    assert "was not sent" in reasons[sha256(lost)]


async def test_a_downgrade_is_imported_where_it_is_allowed(press: Press) -> None:
    await press.upload(package("old", "2-1"))
    made = package("old", "1-1")
    assert await weighed(press, made, allow_downgrade=True) == [Verdict.WANTED]
    await take(press, made)
    wanted = Import(packages=(sha256(made),), allow_downgrade=True)
    assert (await press.imports.publish("own", wanted, "anna")).packages == 1
    assert await press.listed() == {"old": "1-1"}


async def test_names_and_architectures_that_cannot_be_are_refused(press: Press) -> None:
    strange = package("one", arch="riscv64")
    bad_name = Offered(file_name="../x", name="x", version="1-1", arch="any", sha256=sha256(strange))
    bad_arch = Offered(file_name="x-1-1-A.pkg.tar", name="x", version="1-1", arch="A", sha256=sha256(strange))
    verdicts = await press.imports.weigh("own", Offer(packages=(offered(strange), bad_name, bad_arch)))
    assert {it.verdict for it in verdicts} == {Verdict.REFUSED}
    assert "own has x86_64 only" in verdicts[0].reason
    with pytest.raises(PublishRejected, match="own has x86_64 only"):
        await take(press, strange)


async def test_a_file_that_is_not_the_announced_one_is_refused(press: Press) -> None:
    made = package("one")
    other = Delivered(file_name=made.file_name, size=len(made.content), sha256="0" * 64)
    with pytest.raises(PublishRejected, match="is not the file that was announced"):
        await take(press, made, other)
    cut = Made(made.file_name, made.version, made.content[:-5])
    with pytest.raises(PackageInvalid):
        await take(press, cut)


async def test_a_repository_of_signed_packages_imports_no_others(press: Press) -> None:
    made = package("one")
    await press.upload(made, "own")
    await press.repository("strict")
    await press.repositories.change("strict", RepositoryChange(require_signature=True), "anna")
    # The file is here, by way of another repository, and its uploader signed nothing.
    offer = Offer(packages=(offered(made),))
    assert [it.verdict for it in await press.imports.weigh("strict", offer)] == [Verdict.WANTED]
    done = await press.imports.publish("strict", all_of(made), "anna")
    assert (done.packages, len(done.refused)) == (0, 1)
    path = press.folder / "sent"
    path.write_bytes(made.content)
    announced = Delivered(file_name=made.file_name, size=len(made.content), sha256=sha256(made))
    with pytest.raises(SignatureRefused, match="signed packages only"):
        await press.imports.take("strict", announced, path, None)


async def test_what_was_sent_survives_cleaning_until_its_grace_is_over(press: Press) -> None:
    made = package("one")
    await take(press, made)
    await press.retention.clean("own", dry_run=False, actor="anna")
    press.clock.at += timedelta(hours=23)
    await press.retention.clean("own", dry_run=False, actor="anna")
    assert await weighed(press, made) == [Verdict.HELD]
    done = await press.imports.publish("own", all_of(made), "anna")
    press.clock.at += timedelta(days=3)
    await press.retention.clean("own", dry_run=False, actor="anna")
    assert (done.packages, await press.listed()) == (1, {"one": "1.0-1"})
    assert press.files.path(sha256(made)).exists()
    forgotten = package("two")
    await take(press, forgotten)
    await press.retention.clean("own", dry_run=False, actor="anna")
    press.clock.at += timedelta(days=2)
    await press.retention.clean("own", dry_run=False, actor="anna")
    assert await weighed(press, forgotten) == [Verdict.WANTED]


async def test_a_file_that_is_lost_is_wanted_again(press: Press) -> None:
    made = package("one")
    await take(press, made)
    press.files.path(sha256(made)).unlink()
    assert await weighed(press, made) == [Verdict.WANTED]
    assert (await press.imports.publish("own", all_of(made), "anna")).packages == 0


async def test_what_is_to_be_whole_is_published_in_one_snapshot_or_not_at_all(press: Press) -> None:
    some = [package("one"), package("two"), package("three", arch="any")]
    for made in some:
        await take(press, made)
    wanted = Import(packages=tuple(map(sha256, some)), whole=True)
    done = await press.imports.publish("own", wanted, "anna")
    assert done.snapshot is not None
    assert (done.packages, done.snapshot.number) == (3, 2)
    assert done.snapshot.note.startswith("upload of ")
    older, newer = package("one", "0.9-1"), package("four")
    for made in (older, newer):
        await take(press, made)
    wanted = Import(packages=(sha256(newer), sha256(older)), whole=True)
    with pytest.raises(PublishRejected, match=r"Nothing is published.*one-0\.9-1.*is older than"):
        await press.imports.publish("own", wanted, "anna")
    assert "four" not in await press.listed()
    assert len((await press.history.list("own", 10, None)).items) == 2
