"""Processes as proc(5) shows them: who descends from one, and what they hold."""

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_BLOCK = 512  # of st_blocks, stat(2)
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def descendants(of: int) -> list[int]:
    """Process `of` and all that it or one of its children started.

    In a process namespace orphans get its first process as parent, so that none of them gets lost.
    """
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            children.setdefault(_parent(entry.path), []).append(int(entry.name))
    found = [of]
    for process in found:
        found += children.get(process, ())
    return found


def _parent(process: str) -> int:
    try:
        # pid (comm) state ppid …; the name may hold anything, brackets too
        return int(Path(process, "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except _GONE:
        return 0


def tasks(processes: Collection[int]) -> int:
    """How many processes and threads they are."""
    return sum(1 for _ in _listed(processes, "task"))


def memory(processes: Collection[int]) -> int:
    """Bytes that they have for themselves; what forks share counts each time, files that are mapped do not."""
    return sum(own_memory(f"/proc/{process}") for process in processes)


def own_memory(process: str) -> int:
    """Bytes that the process at the path `process` shares with no file."""
    try:
        # statm: size, resident, shared, …, in pages
        _, resident, shared, *_ = Path(process, "statm").read_text().split()
    except _GONE:
        return 0
    return max(0, int(resident) - int(shared)) * _PAGE


def proportional_memory(processes: Collection[int]) -> int:
    """Bytes that they have together, each counted once: exact, but it takes the kernel its time."""
    total = 0
    for process in processes:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        # `Pss_Anon:   1234 kB`, `Pss_Shmem:`: what is no file of a disk
        total += sum(
            int(line.split()[1]) << 10 for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:"))
        )
    return total


def unlinked(processes: Collection[int], devices: Collection[int]) -> int:
    """Bytes on the disk of open files that have no name any more, on file systems with the numbers `devices`."""
    found: dict[tuple[int, int], int] = {}
    for path in _listed(processes, "fd"):
        try:
            file = os.stat(path)
        except OSError:
            continue
        if stat.S_ISREG(file.st_mode) and not file.st_nlink and file.st_dev in devices:
            found[file.st_dev, file.st_ino] = file.st_blocks * _BLOCK
    return sum(found.values())


def _listed(processes: Collection[int], folder: str) -> Iterator[str]:
    for process in processes:
        try:
            yield from (entry.path for entry in os.scandir(f"/proc/{process}/{folder}"))
        except _GONE:
            continue
