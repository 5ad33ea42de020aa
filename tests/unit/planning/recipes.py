"""Short ways to write recipes, catalogs and builds down in tests of planning."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from quarters.formats.pacman import Pacman
from quarters.formats.pacman.dependency import parse_provision
from quarters.model.build import Build, Cause, State
from quarters.model.recipe import Need, NeedKind, Offer, Output, Recipe
from quarters.model.repository import Published
from quarters.planning.catalog import Candidate, Catalog
from quarters.planning.outdated import Wanted
from quarters.planning.plan import Plan, plan

PACMAN = Pacman()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def needs(
    text: str, kind: NeedKind = NeedKind.DEPENDS, *, output: str = "", arch: str = ""
) -> tuple[Need, ...]:
    return tuple(Need(PACMAN.parse_dependency(word), kind, output, arch) for word in text.split())


def output(name: str, provides: str = "", arches: tuple[str, ...] = ("x86_64",)) -> Output:
    return Output(name, arches, "", tuple(Offer(parse_provision(word)) for word in provides.split()))


def recipe(
    pkgbase: str, version: str = "1.0-1", *, depends: str = "", makedepends: str = "", provides: str = ""
) -> Recipe:
    return Recipe(
        pkgbase=pkgbase,
        version=version,
        arches=("x86_64",),
        outputs=(output(pkgbase, provides),),
        needs=(*needs(depends), *needs(makedepends, NeedKind.MAKEDEPENDS)),
    )


def published(*words: str, base: str = "", provides: str = "") -> tuple[Published, ...]:
    """`foo=1.0-1` becomes the package foo 1.0-1; all get the same base and provides."""
    pairs = (word.split("=") for word in words)
    offers = tuple(parse_provision(word) for word in provides.split())
    return tuple(Published(name=name, version=version, base=base, provides=offers) for name, version in pairs)


def catalog(
    *recipes: Recipe,
    here: tuple[Published, ...] = (),
    upstream: str | tuple[Published, ...] = (),
    built: Mapping[str, str] | None = None,
) -> Catalog:
    """Every recipe's fingerprint is `now`; `upstream` may be names, which then have the version 9-1."""
    if isinstance(upstream, str):
        upstream = published(*(f"{name}=9-1" for name in upstream.split()))
    return Catalog(
        repository="main",
        arch="x86_64",
        recipes={entry.pkgbase: Candidate(entry, "tree", "now") for entry in recipes},
        published=here,
        upstream=upstream,
        built=built or {},
    )


def with_(catalog: Catalog, **changes: object) -> Catalog:
    fields = {name: getattr(catalog, name) for name in Catalog.__dataclass_fields__}
    return Catalog(**{**fields, **changes})


def planned(wanted: str | Iterable[Wanted], catalog: Catalog) -> Plan:
    entries = [Wanted(name) for name in wanted.split()] if isinstance(wanted, str) else list(wanted)
    return plan(entries, catalog, PACMAN)


def order(plan: Plan) -> list[str]:
    return [build.pkgbase for build in plan.builds]


def edges(plan: Plan) -> dict[str, list[str]]:
    return {build.pkgbase: [edge.pkgbase for edge in build.needs] for build in plan.builds}


def messages(plan: Plan) -> list[str]:
    return [problem.message for problem in plan.problems]


def build(**changes: object) -> Build:
    plain = Build(
        id=1,
        repository="main",
        arch="x86_64",
        pkgbase="greet",
        source="tree",
        version="1.0-1",
        fingerprint="now",
        state=State.READY,
        cause=Cause.NEW,
        requester="somebody",
        packager="Somebody <some@body>",
        created_at=NOW,
        request_id=1,
    )
    return msgspec.structs.replace(plain, **changes)
