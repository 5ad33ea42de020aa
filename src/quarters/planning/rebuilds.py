"""Which packages link to a library that is there no more, and so want to be built again; from facts of their files."""

from collections.abc import Callable, Collection, Iterable, Mapping

import msgspec

from quarters.model.library import Library


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """A package by the libraries that its files provide to others and need from others."""

    name: str
    base: str
    version: str
    provided: tuple[Library, ...] = ()
    needed: tuple[Library, ...] = ()


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """A library that `package` provides no more; `successor` is the soname that took its place, if one did."""

    library: Library
    package: str
    successor: str = ""

    def told(self) -> str:
        """What a package that links to it suffers from, as the rest of a sentence that names the package."""
        instead = f", but {self.successor}" if self.successor else ""
        return f"links to {self.library.soname}, which {self.package} no longer provides{instead}"


def losses(before: Iterable[Linked], after: Iterable[Linked]) -> list[Loss]:
    """The libraries that packages of `before` provide and none of `after` does, by soname."""
    left: dict[str, tuple[Library, ...]] = {}
    there: set[Library] = set()
    for it in after:
        left[it.name] = it.provided
        there.update(it.provided)
    found = {}
    for it in before:
        for library in it.provided:
            if library not in there:
                successor = _successor(library, left.get(it.name, ()))
                found[library] = Loss(library=library, package=it.name, successor=successor)
    return [loss for _, loss in sorted(found.items())]


def broken(
    packages: Iterable[Linked], lost: Iterable[Loss], met: Callable[[Library], bool] = lambda _: False
) -> dict[str, tuple[Loss, ...]]:
    """By pkgbase, what its packages link to of what was `lost`; `met` says what other repositories provide."""
    packages = list(packages)
    there = {library for it in packages for library in it.provided}
    gone = {loss.library: loss for loss in lost if loss.library not in there and not met(loss.library)}
    found: dict[str, dict[Library, Loss]] = {}
    for it in packages if gone else ():
        for library in it.needed:
            if library in gone:
                found.setdefault(it.base, {})[library] = gone[library]
    return {base: tuple(its[library] for library in sorted(its)) for base, its in sorted(found.items())}


def links(packages: Collection[Linked], bases: Collection[str]) -> dict[str, dict[str, str]]:
    """By pkgbase of `bases`, those of `bases` whose libraries its packages link to, and a soname of each.

    A library whose soname changes is matched by what stays of its name: what linked to the old one will link to the new.
    """
    providers: dict[tuple[str, int, int], str] = {}
    for it in sorted(packages, key=lambda package: package.name):
        if it.base in bases:
            for library in it.provided:
                providers.setdefault(_kin(library), it.base)
    found: dict[str, dict[str, str]] = {}
    for it in packages:
        if it.base in bases:
            for library in it.needed:
                provider = providers.get(_kin(library))
                if provider is not None and provider != it.base:
                    found.setdefault(it.base, {}).setdefault(provider, library.soname)
    return found


def linking(packages: Iterable[Linked], wanted: Callable[[Library], bool]) -> dict[str, tuple[Library, ...]]:
    """By pkgbase, the libraries it links to that are `wanted`."""
    found: dict[str, set[Library]] = {}
    for it in packages:
        if some := {library for library in it.needed if wanted(library)}:
            found.setdefault(it.base, set()).update(some)
    return {base: tuple(sorted(some)) for base, some in sorted(found.items())}


def overlaid(*layers: Iterable[Linked]) -> list[Linked]:
    """Packages by name, those of later layers in the place of those of earlier ones."""
    found: Mapping[str, Linked] = {it.name: it for layer in layers for it in layer}
    return [found[name] for name in sorted(found)]


def _kin(library: Library) -> tuple[str, int, int]:
    return library.stem, library.bits, library.machine


def _successor(library: Library, candidates: Iterable[Library]) -> str:
    kin = [it for it in candidates if (it.bits, it.machine) == (library.bits, library.machine)]
    same = [it for it in kin if it.stem == library.stem] or [it for it in kin if it.family == library.family]
    return max(same).soname if same else ""
