"""Needs that nothing satisfies yet, but that an upstream will: it has the name, at a version that is not there yet."""

from collections.abc import Iterable
from functools import cmp_to_key

import msgspec

from quarters.formats.format import Format
from quarters.model.recipe import Dependency, NeedKind
from quarters.planning.catalog import Catalog
from quarters.planning.resolve import Ask


class Lack(msgspec.Struct, frozen=True, kw_only=True):
    """A need that is waited for: `there` is what the upstreams have instead, "" where nobody knows."""

    dependency: str
    """As recipes write it: `glibc>=2.40`."""
    kind: NeedKind
    there: str = ""

    def told(self) -> str:
        """The need and what there is instead, as a part of a sentence."""
        return (
            f"{self.dependency}, of which upstream has only {self.there}" if self.there else self.dependency
        )


def lack(ask: Ask, catalog: Catalog, format: Format) -> Lack | None:
    """The need as one to be waited for; None if no upstream can be expected to bring it."""
    there = older(ask.need.dependency, catalog, format)
    if not there:
        return None
    return Lack(dependency=str(ask.need.dependency), kind=ask.need.kind, there=there)


def older(dependency: Dependency, catalog: Catalog, format: Format) -> str:
    """The newest version that an upstream has of what is needed in a newer one; "" if that is not how things are."""
    if dependency.op not in ("=", ">=", ">"):
        return ""
    offered = catalog.upstream_provisions.get(dependency.name, ())
    versions = {provision.version for _, provision in offered if provision.version}
    if not versions:
        return ""
    newest = max(versions, key=cmp_to_key(format.compare))
    order = format.compare(newest, dependency.version)
    return newest if order < 0 or (order == 0 and dependency.op == ">") else ""


def by_base(lacks: Iterable[tuple[str, Lack]]) -> dict[str, tuple[Lack, ...]]:
    """By pkgbase, what it lacks."""
    found: dict[str, dict[str, Lack]] = {}
    for pkgbase, one in lacks:
        found.setdefault(pkgbase, {}).setdefault(one.dependency, one)
    return {pkgbase: tuple(its.values()) for pkgbase, its in found.items()}
