"""The AUR's RPC interface, version 5 (aur.archlinux.org/rpc): what packages there are and what they need."""

from collections.abc import Iterable
from urllib.parse import quote, urlencode

import msgspec

from quarters.sources.errors import SourceUnreachable
from quarters.sources.web import Web

_AT_ONCE = 100
"""Names in one request: a URL of the AUR has at most 4,443 bytes."""
_LARGEST = 64 << 20


class AurPackage(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """One package as the RPC interface tells it; times are seconds since 1970."""

    name: str
    package_base: str
    version: str
    description: str | None = None
    maintainer: str | None = None
    co_maintainers: tuple[str, ...] = ()
    num_votes: int = 0
    popularity: float = 0.0
    out_of_date: int | None = None
    last_modified: int = 0
    depends: tuple[str, ...] = ()
    make_depends: tuple[str, ...] = ()
    check_depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()

    @property
    def accounts(self) -> tuple[str, ...]:
        """All who may change it."""
        return tuple(it for it in (self.maintainer, *self.co_maintainers) if it)


class _Answer(msgspec.Struct):
    results: list[AurPackage] = []
    error: str | None = None


class Aur:
    """An AUR at `location`, the official one or another that speaks the same."""

    def __init__(self, web: Web, location: str) -> None:
        self._web = web
        self._location = location.rstrip("/")

    def repository(self, pkgbase: str) -> str:
        """Where the recipe of a pkgbase can be fetched by git."""
        return f"{self._location}/{quote(pkgbase)}.git"

    async def info(self, names: Iterable[str]) -> dict[str, AurPackage]:
        """What is known about these packages, by name; those that do not exist are left out."""
        found: dict[str, AurPackage] = {}
        asked = sorted(set(names))
        for start in range(0, len(asked), _AT_ONCE):
            query = urlencode([("arg[]", name) for name in asked[start : start + _AT_ONCE]])
            found |= {each.name: each for each in await self._ask(f"info?{query}")}
        return found

    async def search(self, words: str, by: str = "name-desc") -> list[AurPackage]:
        """Packages that match `words` in the field `by` (name, name-desc, maintainer, depends, provides, …)."""
        return await self._ask(f"search/{quote(words, safe='')}?{urlencode({'by': by})}")

    async def _ask(self, question: str) -> list[AurPackage]:
        page = await self._web.get(f"{self._location}/rpc/v5/{question}", _LARGEST)
        try:
            answer = msgspec.json.decode(page.body if page else b"", type=_Answer)
        except msgspec.DecodeError:
            raise SourceUnreachable(f"{self._location} does not answer as an AUR does.") from None
        if answer.error:
            raise SourceUnreachable(f"The AUR says: {answer.error.rstrip('.')}.")
        return answer.results
