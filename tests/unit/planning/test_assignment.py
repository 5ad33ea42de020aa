"""Which builds a builder is given, and by which rule it is not given the others."""

from datetime import timedelta

import msgspec
import pytest

from quarters.model.build import Build, State
from quarters.model.builder import Builder, BuilderState
from quarters.planning.assignment import Ready, choose, closed, refusal
from quarters.planning.farm import Assumed, Farm, Host, Queue
from quarters.planning.refusals import (
    Backoff,
    DiskInUse,
    JustLost,
    MemoryInUse,
    NoFreeSlot,
    NotEnabled,
    OtherArch,
    OtherBuilder,
    Quarantined,
    Refusal,
    RepositoryLimit,
    ServerLimit,
    SourceLimit,
    TooLittleDisk,
    TooLittleMemory,
    TooLowClass,
)
from tests.unit.planning.recipes import NOW, build

GIB = 1 << 30
LATER = NOW + timedelta(minutes=5)


def builder(name: str = "one", **changes: object) -> Builder:
    plain = Builder(name=name, arches=("x86_64",), slots=2, state=BuilderState.ENABLED, last_seen=NOW)
    return msgspec.structs.replace(plain, **changes)


def host(free: int = 9, name: str = "one", **changes: object) -> Host:
    return Host(builder=builder(name, **changes), free=free)


def given(*ready: Ready, to: Host | None = None, farm: Farm | None = None) -> list[int]:
    return [chosen.id for chosen in choose(to or host(), ready, farm or Farm(), NOW)]


def kept(
    to: Host | None = None, farm: Farm | None = None, lost_by: str | None = None, **changes: object
) -> Refusal | None:
    entry = Ready(build=build(**changes), lost_by=lost_by)
    found = refusal(entry, to or host(), farm or Farm(), NOW)
    assert (given(entry, to=to, farm=farm) == []) is (found is not None)
    return found


def ready(number: int, path: int = 0, **changes: object) -> Ready:
    return Ready(build=build(id=number, **changes), path=path)


def test_a_builder_gets_no_more_than_its_free_slots() -> None:
    entries = [ready(number) for number in (1, 2, 3)]
    assert given(*entries, to=host(free=2)) == [1, 2]
    assert kept(host(free=0)) == NoFreeSlot("one")


def test_priority_comes_first_then_the_longest_path_then_age() -> None:
    entries = (
        ready(1),
        ready(2, created_at=NOW - timedelta(hours=1)),
        ready(3, path=4 * 3600),
        ready(4, priority=1),
        ready(5, priority=-1, path=86_400),
    )
    assert given(*entries) == [4, 3, 2, 1, 5]


def test_a_builder_gets_nothing_for_another_architecture() -> None:
    assert kept(arch="aarch64") == OtherArch("aarch64")


@pytest.mark.parametrize("state", [BuilderState.DRAINING, BuilderState.DISABLED])
def test_a_draining_or_disabled_builder_gets_nothing_new(state: BuilderState) -> None:
    assert kept(host(state=state)) == NotEnabled("one", state)


def test_a_builder_in_quarantine_gets_nothing_until_it_ends() -> None:
    assert kept(host(quarantined_until=LATER)) == Quarantined("one", LATER)
    assert kept(host(quarantined_until=NOW)) is None


def test_only_ready_builds_are_given_out() -> None:
    assert given(ready(1, state=State.WAITING), ready(2, state=State.RUNNING)) == []


def test_a_build_is_held_back_until_its_time_has_come() -> None:
    assert kept(not_before=LATER) == Backoff(LATER)
    assert kept(not_before=NOW) is None


def test_a_lost_build_goes_to_another_builder() -> None:
    assert kept(lost_by="one", farm=Farm(others=(builder("two"),))) == JustLost("one")
    assert kept(host(name="two"), lost_by="one", farm=Farm(others=(builder("one"),))) is None


@pytest.mark.parametrize(
    "other",
    [
        builder("arm", arches=("aarch64",)),
        builder("two", state=BuilderState.DRAINING),
        builder("two", quarantined_until=LATER),
        builder("two", memory=GIB),
    ],
)
def test_a_lost_build_goes_back_to_the_only_builder_that_could_take_it(other: Builder) -> None:
    assert kept(lost_by="one", memory=2 * GIB, farm=Farm(others=(other,))) is None


def test_builds_of_a_class_go_to_builders_of_that_class_or_a_higher_one() -> None:
    assert kept(host(build_class=1), build_class=3) == TooLowClass(3, 1)
    assert kept(host(build_class=3), build_class=3) is None
    assert kept(host(build_class=4), build_class=3) is None


def test_a_build_for_one_builder_goes_to_that_builder_alone() -> None:
    assert kept(only_builder="two") == OtherBuilder("two")
    assert kept(host(name="two"), only_builder="two") is None


def test_a_build_that_needs_more_than_a_builder_has_waits_for_a_larger_one() -> None:
    assert kept(host(), memory=8 * GIB) is None, "it did not say what it has"
    small = Host(builder=builder(memory=4 * GIB, disk=4 * GIB), free=1)
    assert kept(small, memory=8 * GIB) == TooLittleMemory(8 * GIB, 4 * GIB)
    assert kept(small, disk=8 * GIB) == TooLittleDisk(8 * GIB, 4 * GIB)


def test_the_builds_of_a_builder_share_its_memory_and_its_disk() -> None:
    busy = Host(builder=builder(memory=4 * GIB, disk=4 * GIB), free=3, memory=3 * GIB, disk=2 * GIB)
    assert kept(busy, memory=2 * GIB) == MemoryInUse(2 * GIB, GIB)
    assert kept(busy, disk=3 * GIB) == DiskInUse(3 * GIB, 2 * GIB)
    assert given(ready(1, memory=GIB), ready(2, memory=GIB), to=busy) == [1]


def test_what_is_not_known_is_assumed_but_no_builder_is_too_small_for_an_assumption() -> None:
    assuming = Farm(assumed=Assumed(memory=2 * GIB, disk=2 * GIB))
    small = Host(builder=builder(memory=GIB, disk=GIB), free=3)
    assert given(ready(1), ready(2), to=small, farm=assuming) == [1]
    large = Host(builder=builder(memory=5 * GIB), free=3)
    assert given(ready(1), ready(2), ready(3), to=large, farm=assuming) == [1, 2]


def test_a_server_a_repository_and_a_source_run_no_more_builds_than_they_may() -> None:
    assert kept(farm=Farm(limit=4, running=4)) == ServerLimit(4)
    counts = {"main": 2, "tree": 2}
    full = Farm(repository_limits={"main": 2}, running_of_repository=counts)
    assert kept(farm=full) == RepositoryLimit("main", 2)
    full = Farm(source_limits={"tree": 2}, running_of_source=counts)
    assert kept(farm=full) == SourceLimit("tree", 2)


@pytest.mark.parametrize(
    "farm", [Farm(limit=2), Farm(repository_limits={"main": 2}), Farm(source_limits={"tree": 2})]
)
def test_what_a_builder_is_given_at_once_counts_against_the_limits(farm: Farm) -> None:
    assert given(*(ready(number) for number in range(1, 6)), to=host(free=5), farm=farm) == [1, 2]


def test_a_queue_is_closed_by_the_very_rules_that_keep_each_of_its_builds_away() -> None:
    def of(to: Host, farm: Farm | None = None, **changes: object) -> Refusal | None:
        one: Build = build(**changes)
        found = closed(Queue.of(one), to, farm or Farm(), NOW)
        assert found == refusal(Ready(build=one), to, farm or Farm(), NOW)
        return found

    assert of(host()) is None
    assert of(host(), arch="aarch64") == OtherArch("aarch64")
    assert of(host(), build_class=1) == TooLowClass(1, 0)
    assert of(host(), only_builder="two") == OtherBuilder("two")
    assert of(host(quarantined_until=LATER)) == Quarantined("one", LATER)
    assert of(host(), Farm(limit=1, running=1)) == ServerLimit(1)


def test_a_source_that_had_all_the_builders_for_itself_lets_another_one_come_first() -> None:
    entries = [ready(number, source="large") for number in range(1, 5)]
    entries.append(ready(9, source="small", created_at=NOW + timedelta(hours=1)))
    assert given(*entries, to=host(free=2)) == [1, 9]
    assert given(*entries, to=host(free=1), farm=Farm(served={"large": 3600.0})) == [9]


def test_a_single_source_is_never_held_back() -> None:
    entries = [ready(1, path=9), ready(2)]
    assert given(*entries, farm=Farm(served={"tree": 1e9})) == [1, 2]
