"""Commits to a tree, pushed to where it is kept; what people push meanwhile stays."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from quarters.sources.errors import SourceUnreachable
from quarters.sources.git import Git
from quarters.sources.remotes import fetch_branch
from quarters.sources.updates.trees import entries, made

_TIP = "refs/quarters/updates/tip"
_TRIES = 5
_REFUSED = (
    "[rejected]",
    "fetch first",
    "stale info",
    "non-fast-forward",
    "cannot lock ref",
    "failed to push some refs",
)
_SHOWN = 5


class Committer(msgspec.Struct, frozen=True):
    """Who commits, with which message (`{packages}` stands for folders), and whether over its own last commit."""

    author: str
    message: str
    overwrite: bool = False


class Pushed(msgspec.Struct, frozen=True):
    """The commit, "" if there was nothing to push, and the folders of one's own that it has."""

    commit: str = ""
    folders: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    """Folders that people changed meanwhile: they are as people have them."""


class Folder(msgspec.Struct, frozen=True):
    """A folder that is to have the git tree `after` where it has `before` ("" for none)."""

    before: str
    after: str


class Branch:
    """A branch of the repository at `location`, and where it stood when it was last fetched into our `git`."""

    def __init__(self, git: Git, location: str, branch: str) -> None:
        self._git = git
        self._location = location
        self._branch = branch

    async def tip(self) -> str:
        """Fetch it; the commit that it stands at."""
        return await fetch_branch(self._git, self._location, await self.name(), _TIP)

    async def name(self) -> str:
        """What it is called, also where the repository's default branch is meant."""
        if not self._branch:
            self._branch = await self._default()
        return self._branch

    async def push(self, changes: Mapping[str, Folder], who: Committer, last: str, now: datetime) -> Pushed:
        """Commit `changes` to whatever the branch is by now, all or nothing, and again if people were faster.

        `last` is the newest commit that was pushed so, "" for none: with `who.overwrite` it is the one to be replaced.
        """
        for _ in range(_TRIES):
            tip = await self.tip()
            held = await entries(self._git, tip)
            fitting = {path: it for path, it in changes.items() if _tree(held, path) == it.before}
            left = tuple(sorted(changes.keys() - fitting.keys()))
            if not fitting:
                return Pushed(left=left)
            parents = await self._parents(tip)
            over = who.overwrite and tip == last and len(parents) == 1
            parent = parents[0] if over else tip
            tree = await made(self._git, _with(held, fitting))
            folders = await self._folders(parent, tree)
            commit = await self._commit(tree, parent, folders, who, now)
            try:
                await self._send(commit, tip)
            except SourceUnreachable as error:
                if not any(word in str(error) for word in _REFUSED) or await self.tip() == tip:
                    raise
                continue
            return Pushed(commit, folders, left)
        raise SourceUnreachable(f"The branch moved on {_TRIES} times while a commit was being pushed to it.")

    async def _send(self, commit: str, tip: str) -> None:
        # The lease keeps what somebody pushed since the tip was fetched, whether the push is forced or not.
        await self._git.run(
            "push", "--quiet", f"--force-with-lease=refs/heads/{self._branch}:{tip}", "--",
            self._location, f"{commit}:refs/heads/{self._branch}",
        )  # fmt: skip

    async def _commit(
        self, tree: str, parent: str, folders: tuple[str, ...], who: Committer, now: datetime
    ) -> str:
        at = f"{int(now.timestamp())} +0000"
        lines = [
            f"tree {tree}",
            f"parent {parent}",
            f"author {who.author} {at}",
            f"committer {who.author} {at}",
        ]
        content = "\n".join([*lines, "", _message(who.message, folders)]).encode()
        printed = await self._git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=content)
        return printed.decode().strip()

    async def _parents(self, commit: str) -> list[str]:
        return (await self._git.run("log", "-1", "--format=%P", commit)).decode().split()

    async def _folders(self, before: str, tree: str) -> tuple[str, ...]:
        printed = await self._git.run("diff-tree", "-z", "--name-only", f"{before}^{{tree}}", tree)
        return tuple(sorted(it for it in printed.decode(errors="replace").split("\0") if it))

    async def _default(self) -> str:
        """The branch that HEAD of the repository names."""
        printed = await self._git.run("ls-remote", "--symref", "--", self._location, "HEAD")
        for line in printed.decode(errors="replace").splitlines():
            if line.startswith("ref: refs/heads/"):
                return line.removeprefix("ref: refs/heads/").partition("\t")[0]
        raise SourceUnreachable(
            "The repository does not tell which of its branches is the default; name one."
        )


def _with(held: Mapping[str, str], changes: Mapping[str, Folder]) -> dict[str, str]:
    now = {path: f"040000 tree {it.after}" for path, it in changes.items() if it.after}
    return {name: told for name, told in held.items() if name not in changes} | now


def _tree(held: Mapping[str, str], path: str) -> str:
    mode, _, rest = held.get(path, "").partition(" ")
    return rest.removeprefix("tree ") if mode == "040000" else ""


def _message(pattern: str, folders: tuple[str, ...]) -> str:
    more = len(folders) - _SHOWN
    named = ", ".join(folders[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    lines = [pattern.replace("{packages}", named)]
    return "\n".join([*lines, *(["", *(f"- {it}" for it in folders)] if more > 0 else []), ""])
