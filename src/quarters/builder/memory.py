"""How often the kernel ended a process of this builder's control group for want of memory."""

from pathlib import Path

_CONTROLLERS = Path("/proc/self/cgroup")
_MOUNTED = Path("/sys/fs/cgroup")
_COUNTED = "oom_kill "


def oom_kills(controllers: Path = _CONTROLLERS, mounted: Path = _MOUNTED) -> int:
    """The kernel's count for the group and all below it, which only rises; 0 where there is none to be read.

    cgroups(7): lines `number:controllers:path`; version 2 counts in memory.events, version 1 in memory.oom_control.
    """
    try:
        lines = controllers.read_text().splitlines()
    except OSError:
        return 0
    counts = [_count(mounted, *line.split(":", 2)[1:]) for line in lines if line.count(":") > 1]
    return max(counts, default=0)


def _count(mounted: Path, names: str, path: str) -> int:
    group = path.lstrip("/")
    if names == "":
        file = mounted / group / "memory.events"
    elif "memory" in names.split(","):
        # A group of a container is not always visible under its own name; what is mounted then is the group itself.
        own = mounted / "memory" / group / "memory.oom_control"
        file = own if own.exists() else mounted / "memory" / "memory.oom_control"
    else:
        return 0
    try:
        found = [line for line in file.read_text().splitlines() if line.startswith(_COUNTED)]
    except OSError:
        return 0
    return int(found[0].removeprefix(_COUNTED)) if found else 0
