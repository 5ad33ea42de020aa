"""`.CI/update.sh`: a recipe's own way to bring itself up to date."""

from collections.abc import Sequence

from quarters.sources.mirror import Mirror
from quarters.sources.updates.trees import entries, from_archive
from quarters.sources.updates.upstream import NOTHING, Finding, Subject
from quarters.sources.updates.workbench import Workbench

NAME = "update.sh"
_FOLDER = ".CI"


class UpdateHook:
    """Runs it in the sandbox, with network, and takes what is different afterwards."""

    def __init__(self, mirror: Mirror, workbench: Workbench) -> None:
        self._mirror = mirror
        self._workbench = workbench
        self._with: set[str] = set()

    async def prepare(self, subjects: Sequence[Subject]) -> None:
        """Find out which folders have one."""
        names = [f"{it.tree}:{_FOLDER}/{NAME}" for it in subjects]
        sizes = await self._mirror.git.run(
            "cat-file", "--batch-check", stdin="".join(f"{it}\n" for it in names).encode()
        )
        lines = sizes.decode(errors="replace").splitlines()
        self._with = {it.path for it, line in zip(subjects, lines, strict=True) if " blob " in line}

    def concerns(self, subject: Subject) -> bool:
        """Whether there is one."""
        return subject.path in self._with

    async def look(self, subject: Subject) -> Finding:
        """The folder after it ran."""
        archive = await self._mirror.archive(subject.tree, "")
        tree = await from_archive(self._mirror.git, await self._workbench.updated(archive, subject.path))
        before = await entries(self._mirror.git, subject.tree)
        return NOTHING if tree == subject.tree or not before else Finding(tree=tree)
