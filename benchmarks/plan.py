"""How long it takes to parse a real distribution's recipes and to plan all of them."""

import gc
import random
from collections.abc import Callable, Mapping
from statistics import median
from time import process_time
from typing import TypeVar

from benchmarks.corpus import FOLDER, read_srcinfos
from benchmarks.running import Skipped
from benchmarks.table import Row
from quarters.formats.pacman import Pacman
from quarters.model.errors import RecipeInvalid
from quarters.model.recipe import Dependency, Need, NeedKind, Offer, Output, Provision, Recipe
from quarters.model.repository import Published
from quarters.planning.catalog import Candidate, Catalog
from quarters.planning.matching import How, Matcher
from quarters.planning.outdated import outdated
from quarters.planning.plan import Plan, plan
from quarters.planning.resolve import resolve

ARCH = "x86_64"
ROUNDS = 5
_KNOWN_EDGES = 3588
"""Counted in the corpus by an independent reading; the tests hold each single one against it."""
T = TypeVar("T")


def of_the_corpus() -> list[Row]:
    """Medians of five rounds over real recipes, nothing kept from one to the next."""
    if not FOLDER.is_dir():
        raise Skipped(f"the corpus of real recipes is not beside the checkout, in {FOLDER}.")
    texts = read_srcinfos()
    format = Pacman()
    parse_time, recipes = _timed(lambda: parse(texts, format))
    upstream = outside(recipes)
    plan_time, planned = _timed(lambda: plan_all(recipes, upstream, format))
    found = possible_edges(recipes, format)
    return [
        Row(f"parse {len(texts):,} .SRCINFO", parse_time, "s", goal="< 3 s", met=parse_time < 3),
        Row(f"plan {len(recipes):,} recipes", plan_time, "s", goal="< 0.5 s", met=plan_time < 0.5),
        Row(
            "edges between them, any provider", found, "", goal=f"{_KNOWN_EDGES:,}", met=found == _KNOWN_EDGES
        ),
        Row("edges that order the builds", edges(recipes, upstream, format), ""),
        Row("of them can be built", len(planned.builds), ""),
    ]


def of_a_distribution() -> list[Row]:
    """The same with as many made-up recipes as a whole distribution has."""
    format = Pacman()
    recipes, upstream = distribution(15_000)
    time, planned = _timed(lambda: plan_all(recipes, upstream, format))
    return [
        Row(f"plan {len(recipes):,} made-up recipes", time, "s", goal="< 2 s", met=time < 2),
        Row("edges between them", sum(len(build.needs) for build in planned.builds), ""),
    ]


def parse(texts: Mapping[str, str], format: Pacman) -> dict[str, Recipe]:
    """The recipes by folder: some folders of the corpus share a pkgbase; what cannot be read is left out."""
    found = {}
    for folder, text in texts.items():
        try:
            found[folder] = format.parse_recipe(text)
        except RecipeInvalid:
            continue
    return found


def outside(recipes: Mapping[str, Recipe]) -> tuple[Published, ...]:
    """An upstream that provides, in every version asked for, each name that no recipe of another folder can stand for.

    None of its packages bears such a name, so that a recipe that provides it too is the one to wait for.
    """
    makers: dict[str, set[str]] = {}
    for folder, recipe in recipes.items():
        for output in recipe.outputs:
            for provision in recipe.provisions(output, ARCH):
                makers.setdefault(provision.name, set()).add(folder)
    wanted: dict[str, set[str]] = {}
    for folder, recipe in recipes.items():
        for need in recipe.needs_for(ARCH, checks=True):
            name = need.dependency.name
            if not makers.get(name, set()) - {folder}:
                wanted.setdefault(name, set()).add(need.dependency.version or "0")
    return tuple(
        Published(
            name=f"outside-{name}",
            version="0-1",
            provides=tuple(Provision(name, version) for version in sorted(versions)),
        )
        for name, versions in sorted(wanted.items())
    )


def distribution(size: int) -> tuple[dict[str, Recipe], tuple[Published, ...]]:
    """Made-up recipes that need some six others each, and as many packages upstream of which each needs two."""
    chance = random.Random(1)
    recipes = {}
    for number in range(size):
        needed = {f"p{chance.randrange(number)}" for _ in range(6)} if number else set()
        needed |= {f"u{chance.randrange(size)}" for _ in range(2)}
        recipes[f"p{number}"] = Recipe(
            pkgbase=f"p{number}",
            version=f"1.{number}-1",
            arches=(ARCH,),
            outputs=(Output(f"p{number}", (ARCH,), offers=(Offer(Provision(f"libp{number}.so")),)),),
            needs=tuple(Need(Dependency(name), NeedKind.DEPENDS) for name in sorted(needed)),
        )
    packages = (
        Published(name=f"u{number}", version="1-1", provides=(Provision(f"libu{number}.so", "1-64"),))
        for number in range(size)
    )
    return recipes, tuple(packages)


def plan_all(recipes: Mapping[str, Recipe], upstream: tuple[Published, ...], format: Pacman) -> Plan:
    """Plan every recipe from an empty repository."""
    catalog = catalog_of(recipes, upstream)
    return plan(outdated(catalog, format), catalog, format)


def edges(recipes: Mapping[str, Recipe], upstream: tuple[Published, ...], format: Pacman) -> int:
    """How many pairs of recipes need each other, those included that cannot be built in the end."""
    catalog = catalog_of(recipes, upstream)
    found = resolve(recipes, catalog, Matcher(catalog, format), format).edges
    return sum(len({edge.pkgbase for edge in needs}) for needs in found.values())


def possible_edges(recipes: Mapping[str, Recipe], format: Pacman) -> int:
    """The same before one of several providers is chosen, whatever version or architecture is asked for."""
    matcher = Matcher(catalog_of(recipes, ()), format)
    pairs = set()
    for folder, recipe in recipes.items():
        for need in recipe.needs:
            matches = matcher.recipes(Dependency(need.dependency.name))
            named = [match for match in matches if match.how is How.NAME]
            pairs |= {(folder, match.pkgbase) for match in named[:1] or matches if match.pkgbase != folder}
    return len(pairs)


def catalog_of(recipes: Mapping[str, Recipe], upstream: tuple[Published, ...]) -> Catalog:
    """A repository that is empty as yet."""
    candidates = {folder: Candidate(recipe, "corpus", "") for folder, recipe in recipes.items()}
    return Catalog(repository="corpus", arch=ARCH, recipes=candidates, upstream=upstream)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    # One thread and no waiting: on an idle machine processor time is what a clock shows, on a busy one it still is fair.
    times = []
    results: list[T] = []
    for _ in range(ROUNDS):
        results.clear()
        gc.collect()
        began = process_time()
        results.append(work())
        times.append(process_time() - began)
    return median(times), results[0]
