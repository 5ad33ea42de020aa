"""`.quarters/update.sh` or `.CI/update.sh`: a recipe's own way to bring itself up to date."""

from collections.abc import Sequence

from quarters.sources.mirror import Mirror
from quarters.sources.updates.trees import entries, from_archive
from quarters.sources.updates.upstream import NOTHING, Finding, Subject
from quarters.sources.updates.workbench import Workbench

PATHS = (".quarters/update.sh", ".CI/update.sh")


class UpdateHook:
    """Runs it in the sandbox, with network, and takes what is different afterwards."""

    def __init__(self, mirror: Mirror, workbench: Workbench) -> None:
        self._mirror = mirror
        self._workbench = workbench
        self._with: dict[str, str] = {}

    async def prepare(self, subjects: Sequence[Subject]) -> None:
        """Find out which folders have one."""
        asked = [(it.path, it.tree, path) for it in subjects for path in reversed(PATHS)]
        names = "".join(f"{tree}:{path}\n" for _, tree, path in asked)
        printed = await self._mirror.git.run("cat-file", "--batch-check", stdin=names.encode())
        lines = printed.decode(errors="replace").splitlines()
        self._with = {
            folder: path for (folder, _, path), line in zip(asked, lines, strict=True) if " blob " in line
        }

    def concerns(self, subject: Subject) -> bool:
        """Whether there is one."""
        return subject.path in self._with

    async def look(self, subject: Subject) -> Finding:
        """The folder after it ran."""
        archive = await self._mirror.archive(subject.tree, "")
        tree = await from_archive(
            self._mirror.git, await self._workbench.updated(archive, self._with[subject.path], subject.path)
        )
        before = await entries(self._mirror.git, subject.tree)
        return NOTHING if tree == subject.tree or not before else Finding(tree=tree)
