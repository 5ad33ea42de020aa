"""What happens to a recipe before its dependencies are installed: extra packages, and hooks that may change it."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from quarters.builder import amendments, contents, extras, hooks, makepkg
from quarters.builder.contents import Contents
from quarters.builder.failure import BuildFailed, BuildSkipped
from quarters.builder.hooks import Hooks
from quarters.builder.journal import Journal
from quarters.builder.performer import Performer
from quarters.builder.workspace import Workspace
from quarters.formats.pacman.srcinfo import parse_srcinfo
from quarters.model.build import Reason, Step
from quarters.model.errors import RecipeInvalid
from quarters.protocol.builds import Assignment

Install = Callable[[tuple[str, ...]], Awaitable[None]]


class Preparation:
    """Unpacks the recipe of `workspace` and carries out what its hooks want of it."""

    def __init__(
        self,
        assignment: Assignment,
        workspace: Workspace,
        performer: Performer,
        journal: Journal,
        install: Install,
    ) -> None:
        """`install` brings packages, and all that is installed, up to date."""
        self._assignment = assignment
        self._workspace = workspace
        self._performer = performer
        self._journal = journal
        self._install = install
        self.hooks = Hooks()

    async def run(self) -> Assignment:
        """The assignment with what the recipe needs now. BuildSkipped if a hook says that nothing is to be built."""
        found = await asyncio.to_thread(contents.read, self._workspace.archive)
        self.hooks = Hooks.among(found.files)
        amending = amendments.script(self._assignment, found.pkgbuild, self.hooks)
        said = amendments.told(self._assignment, found.pkgbuild)
        await self._performer.perform(
            makepkg.unpacking(
                self._assignment, self._workspace.archive, () if self.hooks.amending else amending
            )
        )
        missing = await self._missing(found)
        if self.hooks.amending:
            missing = await self._prepared(missing)
            await self._patched()
            await self._performer.perform(makepkg.amending(self._assignment, amending))
            self._journal.applied += [it for it in (self.hooks.prepend, self.hooks.append) if it]
        self._journal.applied += said
        wanted = await self._read_again() if self.hooks.amending else self._assignment
        return msgspec.structs.replace(
            wanted, dependencies=tuple(dict.fromkeys((*wanted.dependencies, *missing)))
        )

    async def _missing(self, found: Contents) -> tuple[str, ...]:
        """Extra packages that the root does not have."""
        names = (self._assignment.pkgbase, *self._assignment.outputs)
        wanted = extras.wanted(names, found.pkgbuild, ccache=self._assignment.ccache)
        if not wanted:
            return ()
        _, printed = await self._performer.read(extras.looking(wanted))
        missing = tuple(extra.package for extra in wanted if extra.package in printed.split())
        self._journal.applied += [f"the package {name}" for name in missing]
        return missing

    async def _prepared(self, missing: tuple[str, ...]) -> tuple[str, ...]:
        """Source the hook `prepare`, extra packages being there; what then still is to be installed."""
        hook = self.hooks.prepare
        if hook and self._assignment.repositories:
            self._journal.begin(Step.DEPENDENCIES)
            await self._install(missing)
            missing = ()
        self._journal.begin(Step.HOOKS)
        if not hook:
            return missing
        command = hooks.sourcing(hook, self._assignment)
        with self._journal.hook(hook) as ended:
            code = await self._performer.attempt(command)
            ended(code)
        if code == self._assignment.skip_code:
            raise BuildSkipped(f"{hook} says that nothing is to be built.")
        if code:
            raise hook_failed(hook, command.shown, code)
        self._journal.applied.append(hook)
        return missing

    async def _patched(self) -> None:
        patch = self.hooks.patch
        if not patch:
            return
        command = makepkg.patching(self._assignment, patch)
        with self._journal.hook(patch) as ended:
            code = await self._performer.attempt(command)
            ended(code)
        if code:
            raise BuildFailed(
                Reason.PATCH_FAILED, f"{patch} does not apply.", command=command.shown, exit_code=code
            )
        self._journal.applied.append(patch)

    async def _read_again(self) -> Assignment:
        """What the recipe says about its sources and dependencies by now."""
        command = makepkg.printing(self._assignment)
        code, printed = await self._performer.read(command)
        if code:
            message = "makepkg does not accept the recipe as its hooks left it."
            raise BuildFailed(Reason.RECIPE_INVALID, message, command=command.shown, exit_code=code)
        try:
            # What the recipe itself printed comes before.
            recipe = parse_srcinfo(printed[printed.rfind("pkgbase = ") :])
        except RecipeInvalid as error:
            raise BuildFailed(Reason.RECIPE_INVALID, str(error), command=command.shown) from None
        needed = recipe.installed_first(self._assignment.arch, checks=self._assignment.checks)
        return msgspec.structs.replace(
            self._assignment,
            dependencies=needed,
            remote_sources=recipe.has_remote_sources,
        )


def hook_failed(hook: str, command: str, code: int) -> BuildFailed:
    """Why a build fails whose `hook` did."""
    return BuildFailed(
        Reason.HOOK_FAILED, f"{hook} ended with the exit code {code}.", command=command, exit_code=code
    )
