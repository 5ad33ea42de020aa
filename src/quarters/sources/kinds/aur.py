"""The kind `aur`: packages of the Arch User Repository, by name."""

import asyncio
from collections.abc import Mapping

from quarters.model.names import plain_name
from quarters.model.source import Source
from quarters.sources.aur import Aur, AurPackage
from quarters.sources.errors import SourceUnreachable
from quarters.sources.locations import check_url, refuse
from quarters.sources.mirror import Mirror
from quarters.sources.notes import Notes
from quarters.sources.recording import Change, record
from quarters.sources.remotes import fetch_branch
from quarters.sources.settings import SourcesSettings
from quarters.sources.source import Fetched
from quarters.sources.web import Web

_AT_ONCE = 4
_SHOWN = 3


class AurKind:
    """Each pkgbase is a git repository of its own at the AUR; one request tells which of them changed."""

    def __init__(self, settings: SourcesSettings) -> None:
        self._web = Web(settings.fetch_timeout)

    def check(self, source: Source) -> None:
        """Raise Invalid unless the location is an AUR's URL and the packages could be names."""
        check_url(source.location, ("https", "http"))
        refuse(source, "branch", "path", "prereleases")
        for name in source.packages:
            plain_name(name, "package")

    async def fetch(self, source: Source, mirror: Mirror) -> Fetched:
        """Bring in the pkgbases that changed; one that the AUR has no more stays as it was last seen."""
        aur = Aur(self._web, source.location)
        notes = Notes(mirror.git.folder, source)
        known, there = notes.read(), await mirror.folders()
        info = await aur.info(source.packages)
        now = {each.package_base: each for each in info.values()}
        missing = [name for name in source.packages if name not in info]
        problems = [f"{name} is not in the AUR" for name in missing]
        turn = asyncio.Semaphore(_AT_ONCE)

        async def bring(pkgbase: str) -> Change | None:
            async with turn:
                try:
                    return await _change(mirror, aur, pkgbase)
                except SourceUnreachable as error:
                    problems.append(f"{pkgbase}: {str(error).rstrip('.')}")
                    return None

        news = [it for it in now if it not in there or known.get(it) != str(now[it].last_modified)]
        brought = dict(zip(news, await asyncio.gather(*(bring(it) for it in news)), strict=True))
        kept = {known.get(f"name {name}", name) for name in missing}
        changes = [Change(folder=it, content=None) for it in there if it not in now and it not in kept]
        changes += [it for it in brought.values() if it is not None and it.content != there.get(it.folder)]
        revision = await record(mirror.git, changes)
        failed = {pkgbase for pkgbase, it in brought.items() if it is None}
        notes.keep(_memory(known, now, info, failed))
        return Fetched(
            revision,
            _sentence(problems),
            names={it: tuple(name for name, each in info.items() if each.package_base == it) for it in now},
            maintainers={it: each.accounts for it, each in now.items()},
        )


async def _change(mirror: Mirror, aur: Aur, pkgbase: str) -> Change:
    """The newest recipe of a pkgbase."""
    git = mirror.git
    # A name may hold what no ref may.
    ref = f"refs/quarters/aur/{pkgbase.encode().hex()}"
    location = aur.repository(pkgbase)
    commit = await fetch_branch(git, location, "", ref)
    printed = await git.run("log", "-1", "--format=%T%n%ct%n%an <%ae>", commit)
    tree, at, author = printed.decode(errors="replace").split("\n", 2)
    return Change(
        folder=pkgbase, content=tree, author=author.strip(), message=f"{location} {commit}", at=int(at)
    )


def _memory(
    known: Mapping[str, str], now: Mapping[str, AurPackage], info: Mapping[str, AurPackage], failed: set[str]
) -> dict[str, str]:
    """When each pkgbase was last changed, and which pkgbase each name belongs to, for the day it is gone."""
    names = {key: value for key, value in known.items() if key.startswith("name ")}
    names |= {f"name {name}": each.package_base for name, each in info.items()}
    return names | {
        pkgbase: str(each.last_modified) for pkgbase, each in now.items() if pkgbase not in failed
    }


def _sentence(problems: list[str]) -> str:
    if not problems:
        return ""
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return f"{'; '.join(sorted(problems)[:_SHOWN])}{more}."
