"""Which packages leave a repository because no recipe makes them any more."""

from collections.abc import Callable, Collection, Iterable

import msgspec


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """A package that a repository lists and that was built for it; what people uploaded is none."""

    arch: str
    name: str
    base: str
    version: str


def leaving(
    listed: Iterable[Built],
    made: Collection[str],
    bases: Collection[str],
    newer: Callable[[str, str], bool],
) -> frozenset[tuple[str, str]]:
    """(architecture, name) of those of `listed` that go.

    `made` holds every name that a recipe of today makes, whichever made it before: none of these goes. `bases` holds
    the pkgbases that there are, unreadable ones too: what such a one made and makes no more stays until its version
    without it is published, since the rest of the old version may need it. `newer(a, b)` compares versions.
    """
    packages = list(listed)
    return frozenset(
        (package.arch, package.name)
        for package in packages
        if package.name not in made
        and (package.base not in bases or any(_succeeds(other, package, made, newer) for other in packages))
    )


def _succeeds(other: Built, package: Built, made: Collection[str], newer: Callable[[str, str], bool]) -> bool:
    return (
        other.base == package.base
        and other.arch == package.arch
        and other.name in made
        and newer(other.version, package.version)
    )
