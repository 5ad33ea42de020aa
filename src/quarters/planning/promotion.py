"""Whether packages can join a repository: nothing there may lack what it depends on afterwards."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec

from quarters.model.library import Library
from quarters.model.recipe import Dependency, Provision
from quarters.planning.rebuilds import Linked, losses, overlaid

Satisfies = Callable[[Provision, Dependency], bool]


class Installable(msgspec.Struct, frozen=True, kw_only=True):
    """A package as its clients see it: what it stands for besides its own name, and what it needs."""

    name: str
    version: str
    provides: tuple[Provision, ...] = ()
    depends: tuple[Dependency, ...] = ()


class Lack(msgspec.Struct, frozen=True, kw_only=True):
    """A dependency that nothing would satisfy; `replaced` is the package that satisfied it until now, if one did."""

    package: str
    version: str
    dependency: Dependency
    replaced: str = ""


class Unlinked(msgspec.Struct, frozen=True, kw_only=True):
    """A library that a package links to and nothing would provide; `replaced` is what provides it now, if anything."""

    package: str
    version: str
    library: Library
    replaced: str = ""


def unlinked(
    joining: Sequence[Linked],
    staying: Sequence[Linked],
    known: Collection[Library],
    met: Callable[[Library], bool],
) -> list[Unlinked]:
    """What would link to a library that is not there if `joining` took its place among `staying`, by facts of the files.

    Of what joins only libraries are asked for that are `known`, since the repository that it comes from provides them:
    those of upstreams can be told only as far as they declare them (`met`).
    """
    after = overlaid(staying, joining)
    there = {library for it in after for library in it.provided}
    lost = {loss.library: loss.package for loss in losses(staying, after)}
    names = {it.name for it in joining}
    found = []
    for it in after:
        wanted = known if it.name in names else lost
        found += [
            Unlinked(package=it.name, version=it.version, library=library, replaced=lost.get(library, ""))
            for library in it.needed
            if library in wanted and library not in there and not met(library)
        ]
    return found


def lacking(
    joining: Sequence[Installable],
    staying: Sequence[Installable],
    upstream: Iterable[tuple[Provision, ...]],
    satisfies: Satisfies,
) -> list[Lack]:
    """What nothing would satisfy if `joining` took its place among `staying`, all for one architecture.

    `upstream` are the provisions of other repositories that clients have. What joins must find everything it needs; what
    was there already must not lose what it had, and is not blamed for what it lacked before.
    """
    names = {it.name for it in joining}
    kept = [it for it in staying if it.name not in names]
    before, after = _Offers(satisfies), _Offers(satisfies)
    for provisions in upstream:
        before.add("", provisions)
        after.add("", provisions)
    for it in staying:
        before.offer(it)
    for it in (*kept, *joining):
        after.offer(it)
    found = [
        Lack(package=it.name, version=it.version, dependency=dependency)
        for it in joining
        for dependency in it.depends
        if after.who(dependency) is None
    ]
    for it in kept:
        for dependency in it.depends:
            if after.who(dependency) is None and (lost := before.who(dependency)) is not None:
                found.append(Lack(package=it.name, version=it.version, dependency=dependency, replaced=lost))
    return found


class _Offers:
    """What can be depended on, by name; each question is answered once."""

    def __init__(self, satisfies: Satisfies) -> None:
        self._satisfies = satisfies
        self._offers: defaultdict[str, list[tuple[Provision, str]]] = defaultdict(list)
        self._answers: dict[Dependency, str | None] = {}

    def offer(self, package: Installable) -> None:
        self.add(package.name, (Provision(package.name, package.version), *package.provides))

    def add(self, package: str, provisions: Iterable[Provision]) -> None:
        for provision in provisions:
            self._offers[provision.name].append((provision, package))

    def who(self, dependency: Dependency) -> str | None:
        """The name of a package that satisfies it, "" for an upstream's, None if there is none."""
        if dependency not in self._answers:
            offers = self._offers.get(dependency.name, ())
            fitting = (package for provision, package in offers if self._satisfies(provision, dependency))
            self._answers[dependency] = next(fitting, None)
        return self._answers[dependency]
