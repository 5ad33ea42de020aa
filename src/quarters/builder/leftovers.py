"""What a builder that was killed may have left: processes in sandboxes, mounts, work folders, packages to be sent."""

import asyncio
import os
import signal
from pathlib import Path

from quarters.builder.workspace import PATH, Workspace, remove, stripped

WORK = "work"


async def end(data: Path) -> None:
    """Kill every process that a sandbox over `data` still holds, unmount what is mounted there, remove work folders.

    The kernel has done the first by then, unless it was asked in the very moment in which a sandbox began. Of builds
    that were finished, what is left to be sent stays.
    """
    work = (data / WORK).resolve()
    for process in _processes():
        if _works_below(process, work):
            _kill(int(process.name))
    for point in sorted(_mounted_below(work), reverse=True):
        unmount = await asyncio.create_subprocess_exec("umount", "--lazy", "--", point, env={"PATH": PATH})
        await unmount.wait()
    if work.is_dir():
        unsent = deliverable(data)
        for folder in work.iterdir():
            if folder not in unsent:
                await remove(folder)
            else:
                await stripped(Workspace(folder, os.getuid()))
    work.mkdir(parents=True, exist_ok=True)
    work.chmod(0o700)


def deliverable(data: Path) -> list[Path]:
    """The work folders of builds whose packages are built and not all sent."""
    work = (data / WORK).resolve()
    return sorted(path for path in work.glob("*") if Workspace(path, os.getuid()).built.is_file())


def _processes() -> list[Path]:
    own = str(os.getpid())
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and entry.name != own]


def _works_below(process: Path, work: Path) -> bool:
    # Its whole root has to be a workspace's overlay: to see such a mount somewhere would be true of innocent ones too.
    try:
        lines = (process / "mountinfo").read_text().splitlines()
    except OSError:  # it has just ended
        return False
    return any(line.split(" ")[4] == "/" and f"upperdir={work}/" in line for line in lines)


def _kill(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def _mounted_below(work: Path) -> list[str]:
    # Field 5 is the mount point, with blanks as octal escapes (proc(5)).
    points = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    plain = [point.encode().decode("unicode_escape") for point in points]
    return [point for point in plain if Path(point).is_relative_to(work)]
