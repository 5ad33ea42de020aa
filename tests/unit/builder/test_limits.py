"""What one build may use, by the settings and by what it is known to need."""

from pathlib import Path
from typing import Any

from quarters.builder import limits
from quarters.builder.settings import BuilderSettings
from quarters.model.size import Size
from quarters.protocol.builds import Assignment

GIB = 1 << 30


def assignment(**needs: Any) -> Assignment:
    """A build with those needs."""
    return Assignment(
        build=1, attempt=1, lease="l", heartbeat=5, repository="main", arch="x86_64", pkgbase="thing",
        version="1-1", outputs=("thing",), dynamic_version=False, dependencies=(), remote_sources=False,
        repositories=(), packager="", **needs,
    )  # fmt: skip


def settings(data: Path, **changes: Any) -> BuilderSettings:
    """A builder with two slots."""
    fields: dict[str, Any] = {"data": data, "slots": 2, "memory": Size(20 * GIB)}
    return BuilderSettings(**(fields | changes))


def test_slots_share_most_of_what_there_is(tmp_path: Path) -> None:
    given = limits.of(assignment(), settings(tmp_path))
    assert given.memory == 9 * GIB
    assert given.processes == 4096
    assert given.disk > 0


def test_a_build_that_needs_more_than_its_share_gets_it_with_room_to_grow(tmp_path: Path) -> None:
    assert limits.of(assignment(memory=10 * GIB), settings(tmp_path)).memory == 15 * GIB
    assert limits.of(assignment(memory=19 * GIB), settings(tmp_path)).memory == 18 * GIB


def test_a_build_that_needs_less_keeps_its_share(tmp_path: Path) -> None:
    assert limits.of(assignment(memory=GIB), settings(tmp_path)).memory == 9 * GIB


def test_the_settings_have_their_say(tmp_path: Path) -> None:
    chosen = settings(tmp_path, slot_memory=Size(GIB), slot_disk=Size(GIB), slot_processes=10, cpu_weight=7)
    given = limits.of(assignment(), chosen)
    assert given == limits.Limits(memory=GIB, disk=GIB, processes=10, cpu_weight=7)
    assert limits.of(assignment(memory=4 * GIB), chosen).memory == 6 * GIB
