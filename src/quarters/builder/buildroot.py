"""The system in which one attempt's commands run; each way to isolate builds has its own kind."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

import msgspec

from quarters.builder.command import Command


class Used(msgspec.Struct, frozen=True):
    """The most memory at a time, and the disk, in bytes."""

    memory: int = 0
    disk: int = 0


class Buildroot(Protocol):
    """A root that is this attempt's alone; what commands change in it, later commands see."""

    borrowed: bool
    """Whether pacman finds files there that no package of its own put there."""

    owner: int
    """The user on this machine as whom the build user's processes run."""

    async def run(self, command: Command, output: Callable[[bytes], None]) -> int:
        """Run `command` and return its exit code; what it prints goes to `output`.

        If `output` raises or the caller is cancelled, the command is killed. When this returns or raises, none of its
        processes is left. BuildFailed if it could not be run, or was ended because it passed a limit.
        """
        ...

    async def oom_kills(self) -> int:
        """How often the kernel ended a process for want of memory; it only rises."""
        ...

    def elsewhere(self) -> Used:
        """What the attempt used until now beside its workspace and the processes of the workspace's user."""
        ...

    async def trust(self, keys: Collection[str]) -> None:
        """Let pacman verify with `keys` (ASCII-armoured) and what the clean root trusts; BuildFailed if one is none."""
        ...

    async def harvest(self) -> None:
        """Keep what pacman downloaded, for the builds to come; to be called before any scriptlet runs."""
        ...

    async def results(self) -> Path | None:
        """The folder on this machine with all that lies in the folder for package files; None if that is gone."""
        ...
