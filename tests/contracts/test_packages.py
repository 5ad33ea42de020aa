"""Publishing builds and uploads on both databases: what is accepted, what is refused, and what is left either way."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, insert

from quarters.model.build import Reason, State
from quarters.model.errors import NotFound, PackageInvalid, PublishRejected
from quarters.model.recipe import Output
from quarters.protocol.snapshots import Promotion
from quarters.storage import packages
from quarters.storage.database import Database
from quarters.storage.schema import build_needs
from quarters.storage.wakeups import Topic
from tests.press import NOON, Press, package, recipe


@pytest.fixture
async def press(database: Database, tmp_path: Path) -> Press:
    press = Press(database, tmp_path / "data")
    await press.repository()
    return press


async def test_a_delivered_build_succeeds_and_is_listed(press: Press) -> None:
    build = await press.published(recipe("greet"), package("greet"))
    assert build.state is State.SUCCEEDED
    assert build.finished_at == NOON
    assert await press.listed() == {"greet": "1.0-1"}
    view = await press.pages.show("own", "x86_64", "greet")
    assert (view.version, view.build, view.snapshot) == ("1.0-1", build.id, 2)


async def test_its_file_and_signature_are_kept_and_the_upload_is_gone(press: Press) -> None:
    made = package("greet")
    build = await press.published(recipe("greet"), made)
    path, size = await press.shelf.package_file("own", None, "x86_64", made.file_name)
    assert path.read_bytes() == made.content
    assert size == len(made.content)
    assert await press.shelf.signature("own", None, "x86_64", f"{made.file_name}.sig")
    assert not press.incoming.path(build.id, 1, made.file_name).exists()


async def test_a_dependent_becomes_ready_with_the_publish(press: Press) -> None:
    library = await press.delivered(recipe("libgreet"), package("libgreet"))
    program = await press.delivered(recipe("greet"), state=State.WAITING)

    def need(connection: Connection) -> None:
        connection.execute(
            insert(build_needs).values(build=program, needs=library, dependency="libgreet", kind="depends")
        )

    await press.database.write(need)
    mark = press.wakeups.mark(Topic.READY)
    await press.deliveries.publish_ready()
    assert (await press.build(program)).state is State.READY
    assert press.wakeups.mark(Topic.READY) > mark


async def test_all_that_is_ready_becomes_visible_in_one_snapshot(press: Press) -> None:
    for name in ("one", "two", "three"):
        await press.delivered(recipe(name), package(name))
    await press.deliveries.publish_ready()
    assert set(await press.listed()) == {"one", "two", "three"}
    snapshots = (await press.history.list("own", 10, None)).items
    assert [it.number for it in snapshots] == [2, 1]
    assert snapshots[0].note == "one 1.0-1, two 1.0-1, three 1.0-1"


async def test_a_refused_build_does_not_hold_up_its_neighbours(press: Press) -> None:
    bad = await press.delivered(recipe("bad"), package("bad", "2.0-1"))
    good = await press.delivered(recipe("good"), package("good"))
    await press.deliveries.publish_ready()
    assert (await press.build(bad)).state is State.FAILED
    assert (await press.build(good)).state is State.SUCCEEDED
    assert await press.listed() == {"good": "1.0-1"}


async def refusal(press: Press, *arguments: object, **columns: object) -> str:
    """What a build says that was refused, after checking that it left the index alone."""
    before = await press.repositories.show("own")
    build = await press.published(*arguments, **columns)  # type: ignore[arg-type]
    assert (build.state, build.reason) == (State.FAILED, Reason.PUBLISH_REJECTED)
    assert (await press.repositories.show("own")).snapshot == before.snapshot
    return build.message


async def test_a_missing_promised_output_is_refused(press: Press) -> None:
    promised = recipe("greet", "greet", "greet-docs")
    assert (
        await refusal(press, promised, package("greet")) == "The build of greet did not deliver greet-docs."
    )


async def test_a_build_that_delivers_nothing_is_refused(press: Press) -> None:
    assert "delivered nothing" in await refusal(press, recipe("greet"))


async def test_an_output_for_another_architecture_is_not_promised(press: Press) -> None:
    promised = recipe("greet")
    promised = msgspec.structs.replace(
        promised, outputs=(*promised.outputs, Output(name="greet-arm", arches=("aarch64",)))
    )
    assert (await press.published(promised, package("greet"))).state is State.SUCCEEDED


async def test_debugging_symbols_may_come_along_and_are_published(press: Press) -> None:
    build = await press.published(recipe("greet"), package("greet"), package("greet-debug", base="greet"))
    assert build.state is State.SUCCEEDED
    assert set(await press.listed()) == {"greet", "greet-debug"}


async def test_a_package_that_nobody_promised_is_refused(press: Press) -> None:
    message = await refusal(press, recipe("greet"), package("greet"), package("sudo", base="greet"))
    assert message == "sudo-1.0-1-x86_64.pkg.tar.gz is no output of greet for x86_64."


async def test_another_pkgbase_is_refused(press: Press) -> None:
    message = await refusal(press, recipe("greet"), package("greet", base="other"))
    assert "is of the pkgbase other, not of greet" in message


async def test_another_version_than_the_recipes_is_refused(press: Press) -> None:
    message = await refusal(press, recipe("greet"), package("greet", "1.0-2"))
    assert message == "greet-1.0-2-x86_64.pkg.tar.gz bears the version 1.0-2, the recipe says 1.0-1."


async def test_another_architecture_than_the_builds_is_refused(press: Press) -> None:
    message = await refusal(press, recipe("greet"), package("greet", arch="i686"))
    assert "is for i686, the build was for x86_64" in message


async def test_a_truncated_file_is_refused(press: Press) -> None:
    made = package("greet")
    message = await refusal(press, recipe("greet"), replace(made, content=made.content[:-20]))
    assert "truncated" in message


async def test_a_file_that_bears_another_name_than_its_content_is_refused(press: Press) -> None:
    made = replace(package("greet"), file_name="greet-1.0-2-x86_64.pkg.tar.gz")
    assert "by its .PKGINFO it is greet-1.0-1-x86_64" in await refusal(press, recipe("greet"), made)


async def test_a_file_that_changed_since_it_was_announced_is_refused(press: Press) -> None:
    made = package("greet")
    build = await press.delivered(recipe("greet"), made)
    press.incoming.path(build, 1, made.file_name).write_bytes(package("greet", text="Evil.\n").content)
    await press.deliveries.publish_ready()
    assert "size or sha256 differs" in (await press.build(build)).message


async def test_a_pkgver_with_a_hyphen_is_refused(press: Press) -> None:
    made = package("greet", "20260630-60888387-1")
    message = await refusal(press, recipe("greet", version="20260630-60888387-1"), made)
    assert "not a valid version" in message


async def test_a_rebuild_bears_the_bumped_release(press: Press) -> None:
    assert "the recipe says 1.0-1.2" in await refusal(press, recipe("greet"), package("greet"), bump=2)
    build = await press.published(recipe("greet"), package("greet", "1.0-1.2"), bump=2)
    assert build.state is State.SUCCEEDED


async def test_a_dynamic_version_is_what_the_packages_bear(press: Press) -> None:
    promised = recipe("greet-git", dynamic=True)
    build = await press.published(promised, package("greet-git", "1.0.r5-1"))
    assert (build.state, build.version) == (State.SUCCEEDED, "1.0.r5-1")


async def test_a_dynamic_version_that_its_builder_did_not_announce_is_refused(press: Press) -> None:
    made = replace(package("greet-git", "1.0.r5-1"), version="1.0.r6-1")
    message = await refusal(press, recipe("greet-git", dynamic=True), made)
    assert "its builder said 1.0.r6-1" in message


async def test_split_packages_of_different_versions_are_refused(press: Press) -> None:
    promised = recipe("greet", "greet", "greet-docs", dynamic=True)
    message = await refusal(
        press, promised, package("greet", "1.0-1"), package("greet-docs", "1.1-1", base="greet")
    )
    assert message == "The packages of greet bear different versions: 1.0-1, 1.1-1."


async def test_an_older_version_than_the_published_one_is_refused(press: Press) -> None:
    await press.published(recipe("greet", version="1.10-1"), package("greet", "1.10-1"))
    message = await refusal(press, recipe("greet", version="1.9-1"), package("greet", "1.9-1"))
    assert message.startswith("greet 1.9-1 is older than the published 1.10-1")


async def test_the_same_version_with_other_content_is_refused(press: Press) -> None:
    await press.published(recipe("greet"), package("greet"))
    message = await refusal(press, recipe("greet"), package("greet", text="Other.\n"))
    assert "published already with other content" in message


@pytest.mark.parametrize("gone", ["removed", "rolled back"])
async def test_a_name_that_clients_may_have_never_gets_other_content(press: Press, gone: str) -> None:
    await press.upload(package("greet"))
    if gone == "removed":
        await press.publisher.remove("own", "x86_64", "greet", "anna")
    else:
        await press.publisher.rollback("own", 1, "anna")
    other = package("greet", text="Other.\n")
    with pytest.raises(PublishRejected, match="published before with other content, which clients may have"):
        await press.upload(other)
    assert "raise its release number" in await refusal(press, recipe("greet"), other)
    await press.repository("another")
    await press.upload(other, "another")
    with pytest.raises(PublishRejected, match="published before with other content"):
        await press.promotions.promote("another", Promotion(target="own", packages=("greet",)), "anna")
    await press.upload(package("greet"))
    assert await press.listed() == {"greet": "1.0-1"}


async def test_versions_that_were_taken_back_are_told_from_those_that_others_followed(press: Press) -> None:
    for name, versions in {"removed": ["1-1"], "reverted": ["1-1", "2-1"], "raised": ["1-1", "2-1"]}.items():
        for version in versions:
            press.clock.at += timedelta(hours=1)
            await press.upload(package(name, version))
    await press.publisher.rollback("own", 4, "anna")
    await press.upload(package("raised", "1-1"))
    await press.upload(package("raised", "2-1"))
    await press.publisher.remove("own", "x86_64", "removed", "anna")
    former = await press.database.read(packages.former, "own", "x86_64")
    assert former == {"removed": {"1-1"}}
    await press.publisher.rollback("own", 3, "anna")
    former = await press.database.read(packages.former, "own", "x86_64")
    assert former == {"reverted": {"2-1"}, "raised": {"1-1", "2-1"}}


async def test_the_very_same_file_again_succeeds_without_a_snapshot(press: Press) -> None:
    await press.published(recipe("greet"), package("greet"))
    again = await press.published(recipe("greet"), package("greet"))
    assert again.state is State.SUCCEEDED
    assert len((await press.history.list("own", 10, None)).items) == 2


async def test_a_lost_upload_fails_its_build_only(press: Press) -> None:
    made = package("greet")
    build = await press.delivered(recipe("greet"), made)
    press.incoming.path(build, 1, made.file_name).unlink()
    await press.deliveries.publish_ready()
    failed = await press.build(build)
    assert (failed.state, failed.reason) == (State.FAILED, Reason.INTERNAL_ERROR)
    assert "is gone" in failed.message


async def test_a_cancelled_build_is_not_published(press: Press) -> None:
    build = await press.delivered(recipe("greet"), package("greet"), state=State.CANCELLED)
    await press.deliveries.publish_ready()
    assert (await press.build(build)).state is State.CANCELLED
    assert await press.listed() == {}


async def test_a_package_for_any_architecture_is_listed_in_each(press: Press) -> None:
    await press.repository("wide", arches=("x86_64", "aarch64"))
    await press.published(recipe("texts", arches=("any",)), package("texts", arch="any"), repository="wide")
    assert await press.listed("wide", "x86_64") == {"texts": "1.0-1"}
    assert await press.listed("wide", "aarch64") == {"texts": "1.0-1"}


async def test_twins_of_an_any_package_from_two_architectures_do_not_quarrel(press: Press) -> None:
    await press.repository("wide", arches=("x86_64", "aarch64"))
    promised = recipe("texts", arches=("any",))
    first = package("texts", arch="any", text="Built here.\n")
    second = package("texts", arch="any", text="Built there.\n")
    await press.published(promised, first, repository="wide")
    twin = await press.published(promised, second, repository="wide", arch="aarch64")
    assert twin.state is State.SUCCEEDED
    path, _ = await press.shelf.package_file("wide", None, "aarch64", second.file_name)
    assert path.read_bytes() == first.content


async def test_an_uploaded_package_can_be_installed_at_once(press: Press) -> None:
    await press.upload(package("manual"))
    assert await press.listed() == {"manual": "1.0-1"}
    assert (await press.pages.show("own", "x86_64", "manual")).build is None


async def test_uploads_are_verified_like_builds(press: Press) -> None:
    await press.upload(package("manual", "2.0-1"))
    with pytest.raises(PublishRejected, match="older than the published"):
        await press.upload(package("manual", "1.0-1"))
    with pytest.raises(PublishRejected, match="own has x86_64 only"):
        await press.upload(package("manual", "3.0-1", arch="aarch64"))
    with pytest.raises(PackageInvalid):
        await press.upload(replace(package("manual", "3.0-1"), file_name="../manual-3.0-1-x86_64.pkg.tar.gz"))
    with pytest.raises(PackageInvalid):
        await press.upload(replace(package("manual", "3.0-1"), content=b"no package"))
    assert await press.listed() == {"manual": "2.0-1"}


async def test_a_removed_package_is_listed_no_more_but_still_served(press: Press) -> None:
    made = package("greet")
    await press.upload(made)
    await press.publisher.remove("own", "x86_64", "greet", "anna")
    assert await press.listed() == {}
    assert (await press.shelf.package_file("own", None, "x86_64", made.file_name))[0].exists()
    with pytest.raises(NotFound):
        await press.shelf.package_file("own", 3, "x86_64", made.file_name)
    with pytest.raises(NotFound):
        await press.publisher.remove("own", "x86_64", "greet", "anna")


async def test_a_replaced_file_is_still_served_to_clients_with_an_old_index(press: Press) -> None:
    old = package("greet", "1.0-1")
    await press.upload(old)
    await press.upload(package("greet", "1.0-2"))
    path, _ = await press.shelf.package_file("own", None, "x86_64", old.file_name)
    assert path.read_bytes() == old.content


async def test_packages_are_listed_in_pages_and_searched_by_part_of_their_name(press: Press) -> None:
    for name in ("alpha", "beta_x", "betaXx", "gamma"):
        await press.upload(package(name))
    first = await press.repositories.packages("own", None, None, 3, None)
    assert [it.name for it in first.items] in (["alpha", "betaXx", "beta_x"], ["alpha", "beta_x", "betaXx"])
    rest = await press.repositories.packages("own", None, None, 3, first.cursor)
    assert [it.name for it in rest.items] == ["gamma"]
    assert rest.cursor is None
    found = await press.repositories.packages("own", "x86_64", "A_X", 10, None)
    assert [it.name for it in found.items] == ["beta_x"]
    with pytest.raises(NotFound):
        await press.repositories.packages("none", None, None, 3, None)


async def test_planning_sees_what_is_offered_and_what_it_was_built_from(press: Press) -> None:
    made = package("libgreet", more="provides = libgreet.so=1-64\n")
    await press.published(recipe("libgreet"), made)
    await press.upload(package("manual"))
    offered = {it.name: it for it in await press.database.read(packages.published, "own", "x86_64")}
    assert [str(it) for it in offered["libgreet"].provides] == ["libgreet.so=1-64"]
    assert offered["manual"].base == "manual"
    built = await press.database.read(packages.fingerprints, "own", "x86_64")
    assert built == {"libgreet": "fingerprint of libgreet 1.0-1"}
