"""Where control groups can be made, and what is written into them; folders stand for the kernel's."""

import os
from pathlib import Path

from quarters.builder.cgroups import CPU, MEMORY, PROCESSES, Group, found
from quarters.builder.limits import Limits

LIMITS = Limits(memory=1 << 30, processes=500, cpu_weight=50)
LEGACY = """\
30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 24 0:28 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
"""
UNIFIED = "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


def machine(folder: Path, cgroup: str, mountinfo: str, *folders: str) -> Path:
    """What a process sees of its control groups."""
    for name in ("proc/self", *folders):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "proc/self/cgroup").write_text(cgroup)
    (folder / "proc/self/mountinfo").write_text(mountinfo)
    return folder


def unified(folder: Path, controllers: str = "cpu memory pids") -> Path:
    """A service that processes 7 and 8 belong to, whose part of the tree was given to it."""
    machine(folder, "0::/system.slice/q.service\n", UNIFIED)
    base = folder / "sys/fs/cgroup/system.slice/q.service"
    base.mkdir(parents=True)
    (base / "cgroup.controllers").write_text(f"{controllers}\n")
    (base / "cgroup.subtree_control").write_text("\n")
    (base / "cgroup.procs").write_text("7\n8\n")
    return base


def test_groups_of_version_1_lie_below_the_own_one_of_each_controller(tmp_path: Path) -> None:
    machine(
        tmp_path, "9:memory:/user/a\n8:cpu,cpuacct:/\n7:pids:/docker/abc\n", LEGACY,
        "sys/fs/cgroup/memory/user/a", "sys/fs/cgroup/cpu,cpuacct", "sys/fs/cgroup/pids",
    )  # fmt: skip
    controllers = found(tmp_path)
    groups = tmp_path / "sys/fs/cgroup"
    assert controllers.folders == {
        MEMORY: groups / "memory/user/a",
        PROCESSES: groups / "pids",
        CPU: groups / "cpu,cpuacct",
    }
    with controllers.group("quarters-1", LIMITS) as group:
        written = {
            "memory/user/a/quarters-1/memory.limit_in_bytes": "1073741824",
            "memory/user/a/quarters-1/memory.memsw.limit_in_bytes": "1073741824",
            "pids/quarters-1/pids.max": "500",
            "cpu,cpuacct/quarters-1/cpu.shares": "512",
        }
        assert {name: (groups / name).read_text() for name in written} == written
        assert len(group.joining) == 3


def test_a_part_of_the_tree_of_version_2_is_used_once_the_builder_itself_has_stepped_aside(
    tmp_path: Path,
) -> None:
    base = unified(tmp_path)
    controllers = found(tmp_path)
    assert controllers.unified
    assert (base / "quarters/cgroup.procs").read_text() == "8"  # a file keeps what was written last
    assert (base / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"
    with controllers.group("quarters-1", LIMITS) as group:
        names = ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.weight")
        assert [(base / "quarters-1" / name).read_text() for name in names] == [
            "1073741824", "0", "1", "500", "50",
        ]  # fmt: skip
        assert group.joining == [str(base / "quarters-1/cgroup.procs")]
        assert group.holds(MEMORY)


def test_a_builder_that_starts_again_within_its_group_finds_its_part_of_the_tree(tmp_path: Path) -> None:
    base = unified(tmp_path)
    (base / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (base / "quarters").mkdir()
    (tmp_path / "proc/self/cgroup").write_text("0::/system.slice/q.service/quarters\n")
    assert found(tmp_path).folders[MEMORY] == base


def test_what_systemd_did_not_give_away_is_left_alone(tmp_path: Path) -> None:
    base = unified(tmp_path)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    # What belongs to a user was given to that user.
    is_given = os.geteuid() != 0
    assert bool(found(tmp_path).folders) is is_given
    assert (base / "quarters").exists() is is_given


def test_a_tree_without_the_controllers_serves_for_nothing(tmp_path: Path) -> None:
    unified(tmp_path, controllers="hugetlb")
    assert not found(tmp_path).folders
    assert not found(tmp_path / "nowhere").folders


def test_the_kernels_counts_are_read_in_either_version(tmp_path: Path) -> None:
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    (tmp_path / "memory.events").write_text("max 9\noom 2\noom_kill 4\noom_group_kill 1\n")
    (tmp_path / "pids.events").write_text("max 5\n")
    for is_unified, kills in ((False, 3), (True, 4)):
        group = Group({MEMORY: tmp_path, PROCESSES: tmp_path}, is_unified)
        assert (group.oom_kills, group.refused_forks) == (kills, 5)
    assert (Group({}, False).oom_kills, Group({}, False).refused_forks) == (0, 0)


def test_what_a_predecessor_left_is_removed(tmp_path: Path) -> None:
    machine(
        tmp_path, "9:memory:/\n", LEGACY, "sys/fs/cgroup/memory/quarters-ab-1", "sys/fs/cgroup/memory/other"
    )
    controllers = found(tmp_path)
    controllers.clear("quarters-ab-")
    assert [path.name for path in (tmp_path / "sys/fs/cgroup/memory").iterdir()] == ["other"]
