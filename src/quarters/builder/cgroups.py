"""Control groups for builds: version 2 where a part of the tree was given to this builder, else version 1 as root."""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from quarters.builder.limits import USUAL_WEIGHT, Limits

MEMORY, PROCESSES, CPU = "memory", "pids", "cpu"
_OWN = "quarters"
"""The group that the builder's processes move to: in version 2 a group has either processes or groups below."""
_DELEGATED = ("user.delegate", "trusted.delegate")
"""What systemd marks a group with that it gives away (systemd.resource-control(5))."""
_SYSTEMD = Path("run/systemd/system")


def prefix(data: Path) -> str:
    """What the names of the groups of the builder in `data` begin with; several may share the folder of groups."""
    return f"quarters-{sha256(str(data.absolute()).encode()).hexdigest()[:12]}-"


class Controllers(msgspec.Struct, frozen=True):
    """By controller, the folder in which groups can be made; none where the machine does not permit it."""

    folders: Mapping[str, Path]
    unified: bool = False

    @contextmanager
    def group(self, name: str, limits: Limits) -> Iterator["Group"]:
        """A group `name` that holds what joins it to `limits`; gone in the end, so nothing may be left in it then."""
        # In version 1 a group competes with single processes outside of it, and would lose by being one.
        own = set(self.folders) - ({CPU} if limits.cpu_weight == USUAL_WEIGHT and not self.unified else set())
        made = Group(
            {controller: folder / name for controller, folder in self.folders.items() if controller in own},
            self.unified,
        )
        try:
            made.create(limits)
            yield made
        finally:
            made.remove()

    def clear(self, prefix: str) -> None:
        """Remove the empty groups that a predecessor left: those whose names begin with `prefix`."""
        for folder in set(self.folders.values()):
            for left in folder.glob(f"{prefix}*"):
                with suppress(OSError):
                    left.rmdir()


class Group:
    """One build's groups, by controller: one and the same in version 2, one for each in version 1."""

    def __init__(self, folders: Mapping[str, Path], unified: bool) -> None:
        self._folders = folders
        self._unified = unified

    def create(self, limits: Limits) -> None:
        """Make the groups and write the limits."""
        for folder in dict.fromkeys(self._folders.values()):
            folder.mkdir(exist_ok=True)
        for controller, folder in self._folders.items():
            for name, value in _settings(controller, limits, unified=self._unified):
                with suppress(FileNotFoundError):  # a kernel without swap, or an older one
                    (folder / name).write_text(value)

    @property
    def joining(self) -> list[str]:
        """Files into which a process that is to join writes its number."""
        return [str(folder / "cgroup.procs") for folder in dict.fromkeys(self._folders.values())]

    def holds(self, controller: str) -> bool:
        """Whether the kernel itself keeps to the limit of `controller`."""
        return controller in self._folders

    @property
    def oom_kills(self) -> int:
        """How many processes the kernel ended because the group's memory was used up."""
        return self._count(MEMORY, "memory.events" if self._unified else "memory.oom_control", "oom_kill")

    @property
    def refused_forks(self) -> int:
        """How many processes or threads could not begin because there were too many."""
        return self._count(PROCESSES, "pids.events", "max")

    def remove(self) -> None:
        """Give the groups up; what is still in one is left to `clear`."""
        for folder in dict.fromkeys(self._folders.values()):
            with suppress(OSError):
                folder.rmdir()

    def _count(self, controller: str, file: str, name: str) -> int:
        if controller not in self._folders:
            return 0
        with suppress(OSError):
            for line in (self._folders[controller] / file).read_text().splitlines():
                if line.startswith(f"{name} "):
                    return int(line.split()[1])
        return 0


def _settings(controller: str, limits: Limits, *, unified: bool) -> Iterator[tuple[str, str]]:
    # cgroup-v2.rst and cgroup-v1/memory.rst, pids.rst of the kernel's documentation
    if controller == PROCESSES and limits.processes:
        yield "pids.max", str(limits.processes)
    elif controller == CPU:
        yield (
            ("cpu.weight", str(limits.cpu_weight))
            if unified
            else ("cpu.shares", str(max(2, limits.cpu_weight * 1024 // USUAL_WEIGHT)))
        )
    elif controller == MEMORY and limits.memory and unified:
        yield from (("memory.max", str(limits.memory)), ("memory.swap.max", "0"), ("memory.oom.group", "1"))
    elif controller == MEMORY and limits.memory:
        yield "memory.limit_in_bytes", str(limits.memory)
        yield "memory.memsw.limit_in_bytes", str(limits.memory)


def found(machine: Path = Path("/"), *, only_look: bool = False) -> Controllers:
    """What may be used here; in version 2 this moves the builder's own processes out of the way, unless it is to
    `only_look`."""
    try:
        lines = (machine / "proc/self/cgroup").read_text().splitlines()
        mounts = (machine / "proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return Controllers({})
    own = {names: path for line in lines for _, names, path in [line.split(":", 2)]}
    unified = _unified(machine, mounts, own.get("", ""), only_look=only_look)
    if unified is not None:
        return Controllers(dict.fromkeys((MEMORY, PROCESSES, CPU), unified), unified=True)
    folders = {}
    for controller in (MEMORY, PROCESSES, CPU):
        path = next((path for names, path in own.items() if controller in names.split(",")), None)
        folder = path and _mounted(machine, mounts, "cgroup", controller, path)
        if folder and _permits(folder):
            folders[controller] = folder
    return Controllers(folders)


def _mounted(machine: Path, mounts: list[str], kind: str, controller: str, path: str) -> Path | None:
    # proc(5): number parent device root point options … - kind source super-options
    for line in mounts:
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        of_kind, *_, options = after.split()
        if of_kind == kind and (not controller or controller in options.split(",")):
            folder = machine / point.lstrip("/")
            # In a container one's own group may be what is mounted.
            below = path.removeprefix(root) if root != "/" else path
            inner = folder / below.lstrip("/")
            return inner if inner.is_dir() else folder
    return None


def _permits(folder: Path) -> bool:
    trial = folder / f"quarters-trial-{os.getpid()}"
    try:
        trial.mkdir()
        trial.rmdir()
    except OSError:
        return False
    return True


def _unified(machine: Path, mounts: list[str], path: str, *, only_look: bool) -> Path | None:
    """The folder for groups of version 2, if it has all controllers and was given to this builder."""
    own = _mounted(machine, mounts, "cgroup2", "", path)
    if own is None:
        return None
    base = own.parent if own.name == _OWN else own
    try:
        there = set((base / "cgroup.controllers").read_text().split())
        if not {MEMORY, PROCESSES, CPU} <= there or not _given(machine, base):
            return None
        enabled = set((base / "cgroup.subtree_control").read_text().split())
        if not {MEMORY, PROCESSES, CPU} <= enabled:
            if only_look:
                return base if os.access(base / "cgroup.subtree_control", os.W_OK) else None
            _step_aside(base)
            (base / "cgroup.subtree_control").write_text(f"+{MEMORY} +{PROCESSES} +{CPU}")
    except OSError:
        return None
    return base if _permits(base) else None


def _given(machine: Path, base: Path) -> bool:
    if not (machine / _SYSTEMD).is_dir():
        return True  # in a container, or where nobody else arranges groups
    for mark in _DELEGATED:
        with suppress(OSError):
            if os.getxattr(base, mark) == b"1":
                return True
    return os.geteuid() != 0 and base.stat().st_uid == os.geteuid()


def _step_aside(base: Path) -> None:
    aside = base / _OWN
    aside.mkdir(exist_ok=True)
    for process in (base / "cgroup.procs").read_text().split():
        try:
            (aside / "cgroup.procs").write_text(process)
        except OSError as error:
            if error.errno != errno.ESRCH:  # it has ended meanwhile
                raise
