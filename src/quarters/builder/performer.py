"""Runs a build's commands one after the other: each is shown before it runs, and one that fails ends the build."""

import os
from collections.abc import Callable

from quarters.builder.buildroot import Buildroot
from quarters.builder.command import Command
from quarters.builder.diagnosis import diagnose
from quarters.builder.failure import BuildFailed
from quarters.builder.journal import Journal
from quarters.builder.progress import Progress
from quarters.builder.proxies import through_proxies
from quarters.model.build import Step

_MOST = 1 << 20
"""Bytes of what a command prints that are taken down."""


class Performer:
    """Works in `root`, and writes down in `journal` what happens."""

    def __init__(self, root: Buildroot, journal: Journal) -> None:
        self._root = root
        self._journal = journal

    async def perform(self, command: Command, *, follow: bool = False) -> None:
        """Run `command` to its good end; `follow` looks for steps in what it prints. BuildFailed says what went wrong."""
        start, kills = self._journal.log.size, await self._root.oom_kills()
        progress = Progress(self._journal) if follow else None
        code = await self.attempt(command, progress.feed if progress else self._journal.log.output)
        if progress:
            progress.close()
        if code == 0:
            return
        step = self._journal.running or Step.ROOT
        if progress and step is Step.SOURCES and not progress.accepted:
            step = Step.RECIPE
        failure, blamed = diagnose(
            step,
            command.shown,
            code,
            self._journal.log.tail(start),
            network=command.network,
            oom_kills=await self._root.oom_kills() - kills,
        )
        if blamed is not self._journal.running:
            self._journal.blame(blamed, code)
        raise failure

    async def read(self, command: Command) -> tuple[int, str]:
        """The exit code of `command`, and the first of what it prints, which stands in the log as well."""
        said = bytearray()

        def take(data: bytes) -> None:
            said.extend(data[: _MOST - len(said)])
            self._journal.log.output(data)

        code = await self.attempt(command, take)
        return code, said.decode(errors="replace")

    async def attempt(self, command: Command, output: Callable[[bytes], None] | None = None) -> int:
        """Show and run `command`; its exit code, whatever that is. BuildFailed if it could not be run to its end."""
        self._journal.log.say(f"$ {command.shown}")
        try:
            return await self._root.run(
                through_proxies(command, os.environ), output or self._journal.log.output
            )
        except BuildFailed as unfinished:
            unfinished.command = command.shown
            raise
