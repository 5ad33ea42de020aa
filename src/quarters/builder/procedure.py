"""The way of a build through its root: recipe, dependencies, sources, makepkg, each with no more rights than it needs."""

import os

from msgspec.structs import replace

from quarters.builder import dependencies, hooks, makepkg
from quarters.builder.buildroot import Buildroot
from quarters.builder.caches import Caches
from quarters.builder.command import Command, Store
from quarters.builder.failure import BuildFailed, BuildSkipped
from quarters.builder.journal import Journal
from quarters.builder.performer import Performer
from quarters.builder.preparation import Preparation, hook_failed
from quarters.builder.products import promised, versions
from quarters.builder.workspace import CCACHE, Workspace
from quarters.model.build import Reason, Step
from quarters.protocol.builds import Assignment


class Procedure:
    """Turns the recipe archive of `workspace` into package files in its `artifacts`, by commands in `root`."""

    def __init__(
        self, assignment: Assignment, workspace: Workspace, root: Buildroot, journal: Journal, caches: Caches
    ) -> None:
        self._assignment = assignment
        self._workspace = workspace
        self._root = root
        self._journal = journal
        self._caches = caches
        self._performer = Performer(root, journal)
        self._stores: tuple[Store, ...] = ()
        self._is_clean = True

    async def build(self) -> str:
        """The version of the package files.

        BuildFailed, with the journal's last step as the place; BuildSkipped where there is nothing to build.
        """
        async with self._caches.lent(self._assignment, self._root.owner) as self._stores:
            return await self._attended()

    async def _attended(self) -> str:
        """Build, and let the recipe's hooks know how that ended."""
        preparation = Preparation(
            self._assignment, self._workspace, self._performer, self._journal, self._install
        )
        try:
            self._assignment = await preparation.run()
            version = await self._packages()
        except BuildFailed as failure:
            await self._regret(preparation.hooks.on_failure, failure)
            raise
        if preparation.hooks.on_success:
            self._journal.begin(Step.HOOKS)
            await self._source(preparation.hooks.on_success, {})
        return version

    async def _regret(self, hook: str, failure: BuildFailed) -> None:
        step = self._journal.running
        self._journal.end(failure.exit_code)
        if hook:
            try:
                await self._source(hook, {"STEP": step or "", "REASON": failure.reason})
            except BuildFailed as further:
                self._journal.log.say(str(further))

    async def _source(self, hook: str, told: dict[str, str]) -> None:
        command = hooks.sourcing(hook, self._assignment, told)
        with self._journal.hook(hook) as ended:
            code = await self._performer.attempt(command)
            ended(code)
        if code:
            raise hook_failed(hook, command.shown, code)
        self._journal.applied.append(hook)

    async def _packages(self) -> str:
        assignment = self._assignment
        if assignment.dependencies:
            self._journal.begin(Step.DEPENDENCIES)
            await self._install(assignment.dependencies)
        self._journal.begin(Step.SOURCES)
        if makepkg.fetches_first(assignment):
            await self._performer.perform(self._with_stores(makepkg.fetching(assignment)), follow=True)
        may_be_there = assignment.dynamic_version and bool(assignment.published)
        if may_be_there:
            await self._performer.perform(self._with_stores(makepkg.readying(assignment)), follow=True)
            await self._compare()
        making = self._with_stores(makepkg.making(assignment, ready=may_be_there))
        await self._performer.perform(making, follow=True)
        try:
            return await self._collect()
        except BuildFailed as unfulfilled:
            unfulfilled.command, unfulfilled.exit_code = making.shown, 0
            raise

    async def _compare(self) -> None:
        """BuildSkipped if what is published bears the version that pkgver() said."""
        _, printed = await self._performer.read(makepkg.listing(self._assignment))
        version = self._assignment.published
        if versions(printed, self._assignment.outputs) == {version}:
            raise BuildSkipped(f"{self._assignment.pkgbase} {version} is already published.", version)

    def _with_stores(self, command: Command) -> Command:
        kept = {"CCACHE_DIR": f"/{CCACHE}"} if any(it.point == f"/{CCACHE}" for it in self._stores) else {}
        return replace(
            command, stores=(*command.stores, *self._stores), environment=command.environment | kept
        )

    async def _install(self, names: tuple[str, ...]) -> None:
        """Bring `names` and all that is installed up to date."""
        wanted = replace(self._assignment, dependencies=names)
        if self._is_clean:
            await self._root.trust([it.key for it in wanted.repositories if it.key])
        start = self._journal.log.size
        try:
            await self._performer.perform(dependencies.downloading(wanted))
        except BuildFailed:
            if not dependencies.corrupted(self._journal.log.tail(start)):
                raise
            self._journal.log.say(
                "A package in the builder's cache is not the repository's; it is downloaded again."
            )
            await self._performer.perform(dependencies.downloading(wanted, anew=True))
        if self._is_clean:
            # Later on, a scriptlet or a hook may have left there what another build would take for its own.
            await self._root.harvest()
        self._is_clean = False
        await self._performer.perform(dependencies.installation(wanted, overwrite=self._root.borrowed))

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
