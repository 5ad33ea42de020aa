"""Builds with bubblewrap over an overlay of the root: dependencies as a restricted root, the rest as nobody special."""

import asyncio
import os
import shutil

from quarters.builder import dependencies, leftovers, makepkg
from quarters.builder.bubblewrap import Command, Layer, run
from quarters.builder.diagnosis import diagnose
from quarters.builder.failure import BuilderUnusable, BuildFailed
from quarters.builder.journal import Journal
from quarters.builder.keyrings import Keyrings
from quarters.builder.memory import oom_kills
from quarters.builder.products import promised
from quarters.builder.progress import Progress
from quarters.builder.roots import Root, with_build_user
from quarters.builder.settings import BuilderSettings
from quarters.builder.workspace import OUT, OWN, PATH, Workspace
from quarters.model.build import Reason, Step
from quarters.protocol.builds import Assignment

_TOOLS = ("bwrap", "setpriv", "unshare", "mount", "gpg", "rm")


class Sandbox:
    """An executor that needs root on this machine and nothing that runs in the background."""

    name = "sandbox"

    def __init__(self, settings: BuilderSettings, root: Root) -> None:
        self._settings = settings
        self._root = root
        self._layers: tuple[Layer, ...] = ()
        self._cache = settings.data / "cache" / "packages"
        self._nothing = settings.data / "cache" / "nothing"
        self._keyrings = Keyrings(settings.data / "cache" / "keyrings")

    def check(self) -> None:
        """BuilderUnusable says what is missing."""
        if os.geteuid() != 0:
            raise BuilderUnusable("Isolating builds needs root; run it with sudo.")
        missing = [tool for tool in _TOOLS if shutil.which(tool, path=PATH) is None]
        if missing:
            raise BuilderUnusable(
                f"{', '.join(missing)} cannot be found; install bubblewrap, util-linux and gnupg."
            )
        if set(str(self._settings.data)) & set(",:\\"):
            raise BuilderUnusable("The path in builder.data may not hold a comma, a colon or a backslash.")

    async def start(self) -> None:
        """End a predecessor's processes and read the root; BuilderUnusable if that cannot work."""
        self.check()
        await leftovers.end(self._settings.data)
        for folder in (self._cache, self._nothing):
            folder.mkdir(parents=True, exist_ok=True)
        self._layers = await asyncio.to_thread(self._root.layers)

    async def furnish(self, assignment: Assignment, workspace: Workspace) -> None:
        """Write what this attempt's root has of its own; the rest is the same for all and there already."""
        for name in OWN:
            folder = workspace.changes / name
            folder.mkdir()
            folder.chmod(0o755)
            os.chown(folder, workspace.uid, workspace.uid)
        users = with_build_user(self._read)
        jobs = max(1, (self._settings.cores or os.cpu_count() or 1) // self._settings.slots)
        files = {
            "etc/passwd": users.passwd,
            "etc/group": users.group,
            "etc/resolv.conf": "",
            makepkg.CONFIGURATION: makepkg.configuration(jobs),
            dependencies.PLAIN_CONFIGURATION: dependencies.plain_configuration(assignment.arch),
            dependencies.CONFIGURATION: dependencies.configuration(assignment, self._settings.server),
        }
        (workspace.changes / "etc").mkdir()
        (workspace.changes / "etc").chmod(0o755)
        for name, text in files.items():
            (workspace.changes / name).write_text(text)
            (workspace.changes / name).chmod(0o644)

    async def build(self, assignment: Assignment, workspace: Workspace, journal: Journal) -> str:
        """Recipe, dependencies, sources and makepkg, each with no more rights than it needs."""
        await self._run(makepkg.unpacking(assignment, workspace), workspace, journal)
        if assignment.dependencies:
            journal.begin(Step.DEPENDENCIES)
            await self._install(assignment, workspace, journal)
        journal.begin(Step.SOURCES)
        if makepkg.fetches_first(assignment):
            await self._run(makepkg.fetching(assignment), workspace, journal, Progress(journal))
        making = makepkg.making(assignment)
        await self._run(making, workspace, journal, Progress(journal))
        try:
            return self._collect(assignment, workspace, journal)
        except BuildFailed as unfulfilled:
            unfulfilled.command, unfulfilled.exit_code = making.shown, 0
            raise

    def _read(self, name: str) -> str:
        found = next((layer.lower / name for layer in self._layers if not layer.point), None)
        return found.read_text() if found and found.is_file() else ""

    async def _install(self, assignment: Assignment, workspace: Workspace, journal: Journal) -> None:
        own = next(layer.lower for layer in self._layers if not layer.point) / dependencies.KEYRING
        keys = [repository.key for repository in assignment.repositories if repository.key]
        base = own if own.is_dir() else None
        if keys or base:
            keyring = await self._keyrings.holding(keys, base)
            await asyncio.to_thread(shutil.copytree, keyring, workspace.changes / dependencies.KEYRING)
        start = journal.log.size
        try:
            await self._run(dependencies.downloading(assignment, self._cache), workspace, journal)
        except BuildFailed:
            if not dependencies.corrupted(journal.log.tail(start)):
                raise
            journal.log.say(
                "A package in the builder's cache is not the repository's; it is downloaded again."
            )
            await self._run(dependencies.downloading(assignment, self._nothing), workspace, journal)
        dependencies.harvest(workspace, self._cache)
        installation = dependencies.installation(assignment, self._cache, overwrite=self._root.borrowed)
        await self._run(installation, workspace, journal)

    async def _run(
        self, command: Command, workspace: Workspace, journal: Journal, progress: Progress | None = None
    ) -> None:
        journal.log.say(f"$ {command.shown}")
        start = journal.log.size
        kills = oom_kills()
        output = progress.feed if progress else journal.log.output
        try:
            code = await run(command, self._layers, workspace, output)
        except BuildFailed as unfinished:
            unfinished.command = command.shown
            raise
        if progress:
            progress.close()
        if code == 0:
            return
        step = journal.running or Step.ROOT
        if progress and step is Step.SOURCES and not progress.accepted:
            step = Step.RECIPE
        failure, blamed = diagnose(
            step,
            command.shown,
            code,
            journal.log.tail(start),
            network=command.network,
            oom_kills=oom_kills() - kills,
        )
        if blamed is not journal.running:
            journal.blame(blamed, code)
        raise failure

    def _collect(self, assignment: Assignment, workspace: Workspace, journal: Journal) -> str:
        out = workspace.changed(OUT)
        if out is None:
            raise BuildFailed(Reason.PACKAGE_FAILED, "The folder for package files is gone.")
        products, extra = promised(out, assignment.pkgbase, assignment.outputs, assignment.arch)
        versions = sorted({product.version for product in products})
        if len(versions) != 1:
            raise BuildFailed(
                Reason.PACKAGE_FAILED, f"The package files bear several versions: {', '.join(versions)}."
            )
        for name in extra:
            journal.log.say(f"{name} was not promised by the recipe and is left behind.")
        for product in products:
            to = workspace.artifacts / product.path.name
            product.path.rename(to)
            os.chown(to, 0, 0)
        return versions[0]
