"""Builds that fail, and recipes that take the place of others."""

from quarters.model.build import Reason, State, Step
from tests.inhabitants import WAITING
from tests.system.farm import Farm, all_builds, commit, ended, handles, happened, logged, opened, recipe


async def test_a_failure_blocks_what_needs_it_with_words_until_its_recipe_is_mended(farm: Farm) -> None:
    tree = farm.folder / "tree"
    recipe(tree, "base", "build() { echo this will not do >&2; false; }")
    recipe(tree, "middle", depends="base")
    recipe(tree, "top", depends="middle")
    recipe(tree, "apart")
    commit(tree)
    async with opened(farm, tree) as client:
        await farm.builder("anvil")
        await happened(client, "build.blocked", pkgbase="top")
        await happened(client, "build.succeeded", pkgbase="apart")
        builds = await all_builds(client)
        failed = builds["base"]
        assert (failed.state, failed.step, failed.reason) == (State.FAILED, Step.BUILD, Reason.BUILD_FAILED)
        assert b"this will not do" in await client.builds.log(failed.id)
        for name, behind in (("middle", "base"), ("top", "middle")):
            assert builds[name].state is State.BLOCKED
            assert behind in (await client.builds.show(builds[name].id)).why

        recipe(tree, "base", version="2")
        commit(tree, "Bo")
        await client.sources.sync("tree")
        await happened(client, "build.succeeded", pkgbase="top")
        mended = await all_builds(client)
        assert {build.state for build in mended.values()} == {State.SUCCEEDED}
        assert (mended["base"].version, mended["base"].packager) == ("2-1", "Bo <bo@greet.example>")
        assert (mended["top"].id, mended["apart"].id) == (builds["top"].id, builds["apart"].id)
        assert (await client.builds.show(failed.id)).state is State.FAILED


async def test_a_newer_recipe_takes_the_place_of_a_running_build(farm: Farm) -> None:
    tree = farm.folder / "tree"
    recipe(tree, "base", WAITING)
    recipe(tree, "top", depends="base")
    commit(tree)
    async with opened(farm, tree) as client:
        await farm.builder("anvil")
        running = await happened(client, "build.running", pkgbase="base")
        await logged(client, int(running.subject), "waiting", attempt=1)
        inside = handles(farm.builder_data("anvil"))
        recipe(tree, "base", version="2")
        commit(tree)
        await client.sources.sync("tree")
        await happened(client, "build.superseded", pkgbase="base")
        await ended(inside)
        await happened(client, "build.succeeded", pkgbase="top")
        builds = await all_builds(client)
        assert (builds["base"].version, builds["base"].state) == ("2-1", State.SUCCEEDED)
        assert (await client.builds.show(int(running.subject))).state is State.SUPERSEDED
