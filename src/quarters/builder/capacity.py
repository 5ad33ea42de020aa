"""What this machine has for builds: its memory, and the disk below the builder's folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from quarters.builder.settings import BuilderSettings

_CHANGE = 0.1
"""A smaller part of the disk that came or went is not worth telling the server."""


class Capacity:
    """What the settings say or, where they say nothing, what there is; in bytes."""

    def __init__(self, settings: BuilderSettings) -> None:
        self._settings = settings
        self._disk = 0
        self.memory = int(settings.memory) or _memory()

    def disk(self, *, idle: bool) -> int:
        """Disk for all builds together; it is only measured anew while the builder is `idle`, as builds use it up."""
        if self._settings.disk:
            return int(self._settings.disk)
        if idle or not self._disk:
            state = os.statvfs(self._settings.data)
            free = state.f_bavail * state.f_frsize
            if abs(free - self._disk) > self._disk * _CHANGE:
                self._disk = free
        return self._disk


def _memory() -> int:
    """What the machine has, or less where a cgroup says so; 0 where neither can be read."""
    return min((*_of_machine(), *_of_cgroup()), default=0)


def _of_machine() -> Iterator[int]:
    # proc(5): `MemTotal:       16308560 kB`
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            yield int(line.split()[1]) << 10


def _of_cgroup() -> Iterator[int]:
    # cgroups(7): `0::/path` for version 2, `4:memory:/path` for version 1; "max" or a huge number is no limit.
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for file in _limits(controllers, path.lstrip("/")):
            try:
                limit = file.read_text().strip()
            except OSError:
                continue
            if limit.isdecimal():
                yield int(limit)


def _limits(controllers: str, path: str) -> tuple[Path, ...]:
    if controllers == "memory":
        top, name = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
    elif not controllers:
        top, name = Path("/sys/fs/cgroup"), "memory.max"
    else:
        return ()
    return (top / path / name, top / name)
