"""The way of a build through its root: recipe, dependencies, sources, makepkg, each with no more rights than it needs."""

import os

from quarters.builder import dependencies, makepkg
from quarters.builder.buildroot import Buildroot
from quarters.builder.command import Command
from quarters.builder.diagnosis import diagnose
from quarters.builder.failure import BuildFailed
from quarters.builder.journal import Journal
from quarters.builder.products import promised
from quarters.builder.progress import Progress
from quarters.builder.workspace import Workspace
from quarters.model.build import Reason, Step
from quarters.protocol.builds import Assignment


class Procedure:
    """Turns the recipe archive of `workspace` into package files in its `artifacts`, by commands in `root`."""

    def __init__(
        self, assignment: Assignment, workspace: Workspace, root: Buildroot, journal: Journal
    ) -> None:
        self._assignment = assignment
        self._workspace = workspace
        self._root = root
        self._journal = journal

    async def build(self) -> str:
        """The version of the package files. BuildFailed, with the journal's last step as the place."""
        await self._run(makepkg.unpacking(self._assignment, self._workspace.archive))
        if self._assignment.dependencies:
            self._journal.begin(Step.DEPENDENCIES)
            await self._install()
        self._journal.begin(Step.SOURCES)
        if makepkg.fetches_first(self._assignment):
            await self._run(makepkg.fetching(self._assignment), Progress(self._journal))
        making = makepkg.making(self._assignment)
        await self._run(making, Progress(self._journal))
        try:
            return await self._collect()
        except BuildFailed as unfulfilled:
            unfulfilled.command, unfulfilled.exit_code = making.shown, 0
            raise

    async def _install(self) -> None:
        await self._root.trust([it.key for it in self._assignment.repositories if it.key])
        start = self._journal.log.size
        try:
            await self._run(dependencies.downloading(self._assignment))
        except BuildFailed:
            if not dependencies.corrupted(self._journal.log.tail(start)):
                raise
            self._journal.log.say(
                "A package in the builder's cache is not the repository's; it is downloaded again."
            )
            await self._run(dependencies.downloading(self._assignment, anew=True))
        await self._root.harvest()
        await self._run(dependencies.installation(self._assignment, overwrite=self._root.borrowed))

    async def _run(self, command: Command, progress: Progress | None = None) -> None:
        self._journal.log.say(f"$ {command.shown}")
        start = self._journal.log.size
        kills = await self._root.oom_kills()
        output = progress.feed if progress else self._journal.log.output
        try:
            code = await self._root.run(command, output)
        except BuildFailed as unfinished:
            unfinished.command = command.shown
            raise
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

    async def _collect(self) -> str:
        out = await self._root.results()
        if out is None:
            raise BuildFailed(Reason.PACKAGE_FAILED, "The folder for package files is gone.")
        assignment = self._assignment
        products, extra = promised(out, assignment.pkgbase, assignment.outputs, assignment.arch)
        versions = sorted({product.version for product in products})
        if len(versions) != 1:
            raise BuildFailed(
                Reason.PACKAGE_FAILED, f"The package files bear several versions: {', '.join(versions)}."
            )
        for name in extra:
            self._journal.log.say(f"{name} was not promised by the recipe and is left behind.")
        for product in products:
            to = self._workspace.artifacts / product.path.name
            product.path.rename(to)
            os.chown(to, os.geteuid(), os.getegid())
        return versions[0]
