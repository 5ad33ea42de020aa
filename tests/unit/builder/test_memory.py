"""Reading how often the kernel ended processes for want of memory, from either version of control groups."""

from pathlib import Path

from quarters.builder.memory import oom_kills


def _written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_version_2_counts_in_memory_events(tmp_path: Path) -> None:
    own = _written(tmp_path / "own", "0::/builder.service\n")
    _written(tmp_path / "fs/builder.service/memory.events", "low 0\nmax 12\noom 3\noom_kill 2\n")
    assert oom_kills(own, tmp_path / "fs") == 2


def test_version_1_counts_in_memory_oom_control(tmp_path: Path) -> None:
    own = _written(tmp_path / "own", "5:cpu,cpuacct:/a\n4:memory:/a/b\n0::/\n")
    _written(tmp_path / "fs/memory/a/b/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert oom_kills(own, tmp_path / "fs") == 1


def test_a_container_sees_its_own_group_as_the_root(tmp_path: Path) -> None:
    own = _written(tmp_path / "own", "4:memory:/docker/abc\n")
    _written(tmp_path / "fs/memory/memory.oom_control", "oom_kill 7\n")
    assert oom_kills(own, tmp_path / "fs") == 7


def test_where_nothing_is_counted_nothing_was_ended(tmp_path: Path) -> None:
    assert oom_kills(tmp_path / "absent", tmp_path) == 0
    assert oom_kills(_written(tmp_path / "own", "0::/\n4:memory:/\n"), tmp_path) == 0
