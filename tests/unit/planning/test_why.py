"""What is said about a build that is not running."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarters.model.build import Reason, State, Step
from quarters.model.builder import Builder, BuilderState
from quarters.planning.assignment import Ready, choose
from quarters.planning.farm import Assumed, Farm, Host
from quarters.planning.refusals import Refusal
from quarters.planning.why import Circumstances, why_not_running
from quarters.planning.wording import WORDS, Ahead
from tests.unit.planning.recipes import NOW, build

GIB = 1 << 30
LATER = NOW + timedelta(minutes=5)


def host(name: str = "anvil", free: int = 0, memory: int = 0, disk: int = 0, **changes: object) -> Host:
    plain = Builder(name=name, arches=("x86_64",), slots=2, state=BuilderState.ENABLED, last_seen=NOW)
    return Host(builder=msgspec.structs.replace(plain, **changes), free=free, memory=memory, disk=disk)


def why(
    unfinished: Sequence[tuple[str, State]] = (),
    hosts: Sequence[Host] = (host(),),
    farm: Farm = Farm(),
    ahead: Ahead = Ahead(),
    lost_by: str | None = None,
    **changes: object,
) -> str:
    around = Circumstances(
        now=NOW, unfinished=unfinished, hosts=hosts, farm=farm, ahead=ahead, lost_by=lost_by
    )
    return why_not_running(build(**changes), around)


def test_a_waiting_build_names_its_prerequisites_and_where_they_stand() -> None:
    needs = [("lib", State.RUNNING), ("art", State.READY), ("done", State.SUCCEEDED)]
    assert why(needs, state=State.WAITING) == (
        "It waits for art, which is ready to be built; and lib, which is being built."
    )


def test_a_long_list_of_prerequisites_is_cut() -> None:
    needs = [(name, State.READY) for name in "abcde"]
    assert why(needs, state=State.WAITING).endswith("; c, which is ready to be built; and 2 more.")


def test_a_blocked_build_names_what_failed() -> None:
    needs = [("lib", State.FAILED), ("art", State.READY)]
    assert (
        why(needs, state=State.BLOCKED)
        == "It needs lib, which has failed; it goes on by itself when that succeeds."
    )


def test_a_ready_build_says_that_there_is_no_builder_for_it() -> None:
    said = "No builder for aarch64 is connected; start one with `quarters builder`."
    assert why(hosts=(), arch="aarch64") == said
    assert why(arch="aarch64") == said


def test_a_ready_build_waits_for_a_slot() -> None:
    assert why() == "It is ready and waits for a free slot on the only builder for x86_64."
    assert why(hosts=[host("a"), host("b"), host("c", arches=("aarch64",))]) == (
        "It is ready and waits for a free slot on one of the 2 builders for x86_64."
    )


def test_a_ready_build_says_how_many_go_first_and_how_many_of_them_for_the_sake_of_fairness() -> None:
    slot = "It is ready and waits for a free slot on the only builder for x86_64"
    assert why(ahead=Ahead(1)) == f"{slot}; a more urgent build goes first."
    assert why(ahead=Ahead(12, 5)) == (
        f"{slot}; 12 more urgent builds go first, 5 of them because tree had more than its share."
    )


def test_a_build_that_a_builder_may_have_says_so() -> None:
    assert why(hosts=[host(free=1)]) == "It is ready for the builder anvil."
    assert why(hosts=[host(free=1), host("b", free=1)], ahead=Ahead(2)) == (
        "It is ready for one of 2 builders; 2 more urgent builds go first."
    )


def test_a_held_back_build_says_until_when_and_after_what() -> None:
    said = "It is tried again after source unavailable, not before 2026-03-01 12:05:00 UTC."
    assert why(not_before=LATER, reason=Reason.SOURCE_UNAVAILABLE) == said
    assert why(not_before=LATER, reason=Reason.SOURCE_UNAVAILABLE, hosts=()) == said
    assert "free slot" in why(not_before=NOW - timedelta(minutes=5))


def test_a_limit_says_whose_it_is() -> None:
    assert why(farm=Farm(limit=1, running=1)) == "The server already runs its one build."
    counts = {"main": 4, "tree": 4}
    full = Farm(repository_limits={"main": 4}, running_of_repository=counts)
    assert why(farm=full) == "The repository main already runs its 4 builds."
    full = Farm(source_limits={"tree": 4}, running_of_source=counts)
    assert why(farm=full) == "The source tree already runs its 4 builds."


def test_a_missing_capability_says_what_the_best_builder_has() -> None:
    two = [host("a", memory=GIB), host("b", build_class=1)]
    assert (
        why(hosts=two, build_class=3) == "It needs class 3; the connected builders for x86_64 have at most 1."
    )
    assert why(only_builder="forge") == "It is for the builder forge, which is not connected."
    small = [
        Host(builder=msgspec.structs.replace(host().builder, memory=n * GIB, disk=n * GIB), free=1)
        for n in (4, 2)
    ]
    assert (
        why(hosts=small, memory=8 * GIB)
        == "It needs 8 GiB of memory; the largest builder that could take it has 4 GiB."
    )
    assert (
        why(hosts=small, disk=9 * GIB // 2)
        == "It needs 4.5 GiB of disk; the largest builder that could take it has 4 GiB."
    )


def test_what_is_in_use_says_how_much_is_free() -> None:
    full = msgspec.structs.replace(host().builder, memory=8 * GIB, disk=8 * GIB)
    hosts = [Host(builder=full, free=1, memory=6 * GIB, disk=7 * GIB)]
    assert why(hosts=hosts, memory=4 * GIB) == (
        "It needs 4 GiB of memory, of which no builder has more than 2 GiB free at the moment."
    )
    assert why(hosts=hosts, disk=2 * GIB, ahead=Ahead(3)) == (
        "It needs 2 GiB of disk, of which no builder has more than 1 GiB free at the moment; "
        "3 more urgent builds go first."
    )


def test_builders_that_get_nothing_say_why() -> None:
    draining = host(free=1, state=BuilderState.DRAINING)
    assert why(hosts=[draining]) == "The only builder that could take it, anvil, is draining."
    assert why(hosts=[draining, host("b", state=BuilderState.DISABLED)]) == (
        "The 2 builders that could take it are given no work; see `quarters builders list`."
    )
    shut = host(free=1, quarantined_until=LATER)
    assert why(hosts=[shut, draining]) == (
        "The builder anvil is in quarantine until 2026-03-01 12:05:00 UTC; it failed what others build."
    )
    later = host("b", free=1, quarantined_until=LATER + timedelta(hours=1))
    assert why(hosts=[later, shut]).endswith("12:05:00 UTC, as are the others that could.")


def test_a_lost_build_waits_for_another_builder() -> None:
    busy = host("other", state=BuilderState.ENABLED)
    farm = Farm(others=(busy.builder, host().builder))
    assert why(hosts=[host(free=1)], farm=farm, lost_by="anvil") == (
        "The builder anvil has just lost it; for 10 minutes it waits for another one."
    )
    assert "free slot" in why(hosts=[host(free=1), busy], farm=farm, lost_by="anvil")


def test_there_are_words_for_every_rule() -> None:
    assert set(Refusal.__subclasses__()) == set(WORDS)


@given(st.data())
def test_what_is_said_agrees_with_what_is_given_out(data: st.DataObject) -> None:
    """By the code that gives builds out: some builder gets it exactly if it is said to be ready for one."""
    draw = data.draw
    sizes = st.sampled_from([0, GIB, 4 * GIB])
    builders = [
        msgspec.structs.replace(
            host(f"b{number}").builder,
            arches=(draw(st.sampled_from(["x86_64", "aarch64"])),),
            state=draw(st.sampled_from([BuilderState.ENABLED, BuilderState.ENABLED, BuilderState.DRAINING])),
            build_class=draw(st.integers(0, 2)),
            memory=draw(sizes),
            quarantined_until=draw(st.sampled_from([None, None, LATER])),
        )
        for number in range(draw(st.integers(0, 3)))
    ]
    hosts = [Host(builder=it, free=draw(st.integers(0, 2)), memory=draw(sizes)) for it in builders]
    farm = Farm(
        limit=draw(st.integers(0, 2)),
        running=draw(st.integers(0, 2)),
        repository_limits={"main": draw(st.integers(0, 2))},
        running_of_repository={"main": draw(st.integers(0, 2))},
        assumed=Assumed(memory=draw(sizes)),
        others=tuple(builders),
    )
    one = build(
        build_class=draw(st.integers(0, 2)),
        only_builder=draw(st.sampled_from(["", "", "b0"])),
        memory=draw(sizes),
        not_before=draw(st.sampled_from([None, NOW, LATER])),
    )
    lost_by = draw(st.sampled_from([None, "b0"]))
    said = why_not_running(one, Circumstances(now=NOW, hosts=hosts, farm=farm, lost_by=lost_by))
    entry = Ready(build=one, lost_by=lost_by)
    assert any(choose(it, [entry], farm, NOW) for it in hosts) is said.startswith("It is ready for")
    assert said.endswith(".")


def test_a_publish_that_is_held_up_says_by_what() -> None:
    assert why(state=State.PUBLISHING, message="There is no space left.").endswith(
        ": There is no space left."
    )


def test_a_failed_build_says_where_and_how() -> None:
    failed = why(state=State.FAILED, step=Step.BUILD, reason=Reason.BUILD_FAILED, message="make said no.")
    assert failed == (
        "It failed in step build (build failed): make said no. It waits for a new recipe, a new dependency or a retry."
    )


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_sentence(state: State) -> None:
    said = why(state=state)
    assert said[0].isupper()
    assert said.endswith(".")


def test_a_skipped_build_says_what_its_builder_said() -> None:
    said = ".CI/prepare says that nothing is to be built."
    assert why(state=State.SKIPPED, message=said) == f"It was skipped: {said}"
    assert why(state=State.SKIPPED) == "It was skipped: this version is already published in main."
