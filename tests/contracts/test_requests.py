"""What becomes of a wish to build: planned, queued, joined, replaced, or refused in words; the same on both databases."""

from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, select

from quarters.formats import pages
from quarters.model.build import Cause, State
from quarters.model.errors import Invalid, NotFound
from quarters.model.repository import Compression, Repository, Upstream
from quarters.model.source import Source
from quarters.protocol.builds import Heartbeat
from quarters.protocol.resources import BuildFilter, BuildRequest, PlanRequest
from quarters.scheduler.settings import SchedulerSettings
from quarters.storage import recipes, requests, sources, upstreams
from quarters.storage.database import Database
from quarters.storage.schema import requests as request_rows
from tests.contracts.farm import FORMATS, Farm, key, recipe


@pytest.fixture
def farm(database: Database, tmp_path: Path) -> Farm:
    return Farm(database, tmp_path, SchedulerSettings(replan=0))


async def _problems(farm: Farm) -> tuple[str, ...]:
    latest = await farm.database.read(requests.latest, "extra", "source:tree")
    assert latest is not None
    return latest.problems


async def test_everything_that_is_outdated_is_built_or_all_of_one_source(farm: Farm) -> None:
    await farm.begin(recipe("lib"), recipe("app", "lib"))
    with pytest.raises(Invalid, match="or ask for everything"):
        await farm.requests.request(BuildRequest(), "ann")
    with pytest.raises(Invalid, match="or ask for everything"):
        await farm.requests.request(BuildRequest(packages=("lib",), everything=True), "ann")
    with pytest.raises(Invalid, match="everything of it"):
        await farm.requests.request(BuildRequest(packages=("lib",), source="tree"), "ann")
    with pytest.raises(NotFound, match="no source 'nothing'"):
        await farm.requests.request(BuildRequest(everything=True, source="nothing"), "ann")
    done = await farm.requests.request(BuildRequest(everything=True, source="tree"), "ann")
    assert len(done.builds) == 2
    again = await farm.requests.request(BuildRequest(everything=True, force=True), "ann")
    assert sorted(again.joined) == sorted(done.builds)


async def test_a_plan_shows_what_a_request_then_builds(farm: Farm) -> None:
    await farm.begin(recipe("lib"), recipe("app", "lib"))
    plan = await farm.requests.plan(PlanRequest(packages=("app",)))
    assert [(one.pkgbase, one.cause) for one in plan.builds] == [
        ("lib", Cause.DEPENDENCY),
        ("app", Cause.REQUESTED),
    ]
    assert await farm.states() == {}
    requested = await farm.ask("app")
    assert len(requested.builds) == 2
    view = await farm.builds.show(requested.builds[1])
    assert [(need.pkgbase, need.dependency) for need in view.needs] == [("lib", "lib")]
    assert view.packager == "Ann <ann@example.org>"


async def test_asking_twice_joins_what_is_queued_and_raises_its_priority(farm: Farm) -> None:
    await farm.begin(recipe("lib"), recipe("app", "lib"))
    first = await farm.ask("app")
    second = await farm.ask("app", priority=7)
    assert (second.builds, second.joined) == ((), first.builds)
    shown = await farm.builds.show(first.builds[0])
    assert (shown.priority, shown.allow_downgrade) == (7, False)


async def test_what_joins_a_queued_build_may_allow_it_to_go_back_in_version(farm: Farm) -> None:
    await farm.begin(recipe("lib"))
    (lib,) = (await farm.ask("lib")).builds
    await farm.requests.request(BuildRequest(packages=("lib",), allow_downgrade=True), "ben")
    assert (await farm.builds.show(lib)).allow_downgrade


async def test_a_name_that_nobody_knows_is_refused_with_near_ones_and_queues_nothing(farm: Farm) -> None:
    await farm.begin(recipe("greeting"))
    with pytest.raises(NotFound, match=r"greting.*Did you mean greeting"):
        await farm.ask("greeting", "greting")
    assert await farm.states() == {}


async def test_a_dependency_that_nothing_satisfies_is_a_problem_that_names_the_chain(farm: Farm) -> None:
    await farm.begin(recipe("app", "tool"), recipe("tool", "nowhere"), recipe("other"))
    requested = await farm.ask("app", "other")
    assert list(await farm.states()) == ["other"]
    assert any("app -> tool -> nowhere" in problem for problem in requested.problems)


async def test_dependencies_join_recursively_from_every_enabled_source_of_the_repository(farm: Farm) -> None:
    await farm.begin(recipe("app", "lib"))

    def others(connection: Connection) -> None:
        for name, found in (("second", recipe("lib", "tool")), ("third", recipe("tool"))):
            source = Source(name=name, kind="tree", location="/tree", repository="extra", automatic=False)
            sources.add(connection, source)
            origin = msgspec.structs.replace(found.origin, source=name)
            recipes.put(connection, [msgspec.structs.replace(found, origin=origin)])

    await farm.database.write(others)
    asked = await farm.ask("app")
    assert asked.problems == ()
    await farm.run("tool", "lib", "app")

    await farm.have(recipe("other", "tool"))
    await farm.database.write(sources.change, "third", enabled=False)
    (problem,) = (await farm.ask("other")).problems
    assert "Nothing satisfies tool" in problem


async def test_a_newer_recipe_takes_the_place_of_the_older_build_and_dependents_follow(farm: Farm) -> None:
    await farm.begin(recipe("lib"), recipe("app", "lib"))
    old, app = (await farm.ask("app")).builds
    await farm.have(recipe("lib", version="2-1", fingerprint="f2"))
    (new,) = (await farm.ask("lib")).builds
    assert (await farm.builds.show(old)).state is State.SUPERSEDED
    assert [need.build for need in (await farm.builds.show(app)).needs] == [new]
    await farm.run("lib", "app")


async def test_a_running_build_that_is_replaced_tells_its_builder_to_stop(farm: Farm) -> None:
    await farm.begin(recipe("lib"))
    await farm.ask("lib")
    one = await farm.claimed()
    await farm.have(recipe("lib", version="2-1", fingerprint="f2"))
    await farm.ask("lib")
    assert (await farm.leases.heartbeat(key(one), Heartbeat())).cancel
    assert (await farm.claimed("other")).version == "2-1"


async def test_a_new_recipe_of_what_failed_frees_what_the_failure_blocked(farm: Farm) -> None:
    await farm.begin(recipe("lib"), recipe("app", "lib"))
    await farm.ask("app")
    await farm.fail(await farm.claimed())
    assert (await farm.states())["app"] is State.BLOCKED
    await farm.have(recipe("lib", version="1-2", fingerprint="f2"))
    await farm.ask("lib")
    assert await farm.states() == {"lib": State.READY, "app": State.WAITING}
    await farm.run("lib", "app")


async def test_a_source_is_planned_when_its_recipes_change_and_only_then(farm: Farm) -> None:
    await farm.begin(recipe("lib"), recipe("app", "lib"))
    await farm.requests.plan_sources()
    assert await farm.states() == {"lib": State.READY, "app": State.WAITING}
    assert await farm.database.read(sources.unplanned) == []
    (app, _) = (await farm.builds.list(BuildFilter())).items
    assert (app.requester, app.cause) == ("source:tree", Cause.NEW)
    await farm.requests.plan_sources()
    assert len((await farm.builds.list(BuildFilter())).items) == 2


async def test_what_failed_is_not_built_again_by_itself_and_what_needs_it_says_so(farm: Farm) -> None:
    await farm.begin(recipe("lib"))
    await farm.requests.plan_sources()
    one = await farm.claimed()
    await farm.fail(one)
    await farm.have(recipe("app", "lib"))
    await farm.requests.plan_sources()
    assert await farm.states() == {"lib": State.FAILED, "app": State.BLOCKED}
    (app, _) = (await farm.builds.list(BuildFilter())).items
    assert app.message == f"Needs lib 1-1 (build {one.build}), which failed (build_failed)."


async def test_a_person_may_build_again_what_failed(farm: Farm) -> None:
    await farm.begin(recipe("lib"), recipe("app", "lib"))
    await farm.requests.plan_sources()
    await farm.fail(await farm.claimed())
    await farm.ask("app")
    await farm.run("lib", "app")


async def test_what_was_built_and_taken_back_is_built_again_for_a_person_and_for_a_new_recipe_only(
    farm: Farm,
) -> None:
    await farm.begin(recipe("lib"))
    await farm.requests.plan_sources()
    # Nothing is listed afterwards, as after a rollback.
    await farm.run("lib")
    await farm.have(recipe("other"))
    await farm.requests.plan_sources()
    assert await farm.states() == {"lib": State.SUCCEEDED, "other": State.READY}
    assert (await farm.ask("lib")).builds
    await farm.have(recipe("lib", version="2-1", fingerprint="f2"))
    await farm.requests.plan_sources()
    lib = (await farm.builds.list(BuildFilter(pkgbase="lib"))).items
    assert [(one.version, one.state) for one in lib] == [
        ("2-1", State.READY),
        ("1-1", State.SUPERSEDED),
        ("1-1", State.SUCCEEDED),
    ]


async def test_what_failed_is_built_again_when_something_that_it_needs_is(farm: Farm) -> None:
    await farm.begin(recipe("lib"), recipe("app", "lib"))
    await farm.requests.plan_sources()
    await farm.run("lib")
    await farm.fail(await farm.claimed())
    # Nothing is really published here, so that the new recipe of lib is what app waits for.
    await farm.have(recipe("lib", version="2-1", fingerprint="f2"))
    await farm.requests.plan_sources()
    assert await farm.states() == {"lib": State.READY, "app": State.WAITING}


async def test_problems_are_kept_and_looked_at_again_when_an_upstream_changes(
    farm: Farm, tmp_path: Path
) -> None:
    core = Upstream(name="core", server=f"file://{tmp_path}/$repo/$arch")
    await farm.begin(recipe("app", "glibc"), repository=Repository(name="extra", upstreams=(core,)))
    await farm.requests.plan_sources()
    unresolved, unread = await _problems(farm)
    assert "Nothing satisfies glibc" in unresolved
    assert "core.db" in unread
    assert "cannot be read" in unread

    _write_index(tmp_path / "core" / "x86_64", "glibc")
    farm.clock.turn(1)
    await farm.upstreams.refresh()
    farm.clock.turn(1)
    await farm.requests.plan_sources()
    assert await farm.states() == {"app": State.READY}
    assert await _problems(farm) == ()


async def test_an_upstream_that_fails_keeps_what_it_held(farm: Farm, tmp_path: Path) -> None:
    core = Upstream(name="core", server=f"file://{tmp_path}/$repo/$arch")
    repository = Repository(name="extra", upstreams=(core,))
    _write_index(tmp_path / "core" / "x86_64", "glibc")
    await farm.begin(repository=repository)
    await farm.upstreams.refresh()
    for path in (tmp_path / "core" / "x86_64").iterdir():
        path.write_bytes(b"no archive")
    farm.clock.turn(farm.settings.upstream_refresh + 1)
    await farm.upstreams.refresh()
    held = await farm.database.read(upstreams.packages, repository, "x86_64")
    assert [package.name for package in held] == ["glibc"]
    assert len(await farm.database.read(upstreams.problems, "extra")) == 1


async def test_a_request_says_which_repositories_there_are_when_it_names_none_of_several(farm: Farm) -> None:
    with pytest.raises(NotFound, match="no repository yet"):
        await farm.ask("lib")
    await farm.begin(recipe("lib"))
    with pytest.raises(Invalid, match="extra is for x86_64, not for riscv64"):
        await farm.requests.request(BuildRequest(packages=("lib",), arch="riscv64"), "ann")


async def test_a_round_that_finds_nothing_new_leaves_no_request_behind(farm: Farm) -> None:
    def count(connection: Connection) -> int:
        return len(connection.execute(select(request_rows.c.id)).all())

    await farm.begin(recipe("lib"))
    await farm.requests.plan_sources()
    await farm.have(recipe("lib"))
    await farm.requests.plan_sources()
    assert await farm.database.read(count) == 1


async def test_builds_that_more_waits_for_come_first(farm: Farm) -> None:
    await farm.begin(recipe("a"), recipe("root"), recipe("mid", "root"), recipe("end", "mid"), recipe("z"))
    await farm.ask("a")
    await farm.ask("end")
    await farm.ask("z", priority=1)
    assert [one.pkgbase for one in await farm.claim(free=3)] == ["z", "root", "a"]


async def test_new_recipes_may_need_each_other_the_other_way_round(farm: Farm) -> None:
    await farm.begin(recipe("a", "b"), recipe("b"))
    await farm.ask("a")
    await farm.have(recipe("a", fingerprint="f2"), recipe("b", "a", fingerprint="f2"))
    await farm.ask("b")
    await farm.run("a", "b")


def _write_index(folder: Path, *names: str) -> None:
    """An upstream's index as the format itself writes it."""
    folder.mkdir(parents=True)
    parts = {
        n: {
            "files": "%FILES%\n",
            "desc": f"%FILENAME%\n{n}-1-1-any.pkg.tar.zst\n\n%NAME%\n{n}\n\n%VERSION%\n1-1\n\n",
        }
        for n in names
    }
    for name, data in pages.whole(FORMATS["pacman"], "core", parts, Compression.GZIP).items():
        (folder / name).write_bytes(data)
    for alias, name in FORMATS["pacman"].index_aliases("core", Compression.GZIP).items():
        (folder / alias).write_bytes((folder / name).read_bytes())
