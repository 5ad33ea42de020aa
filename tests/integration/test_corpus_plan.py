"""Plans thousands of real recipes and compares every edge with a plain reading of the same files, made for this test alone.

The corpus lies beside the checkout (`../shared/corpus`); where it is absent these tests are skipped, saying so.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec
import pytest

from benchmarks.corpus import read_srcinfos
from benchmarks.plan import catalog_of, outside, parse, plan_all
from quarters.formats.pacman import Pacman
from quarters.model.recipe import Dependency, Recipe
from quarters.planning.cycles import knots
from quarters.planning.matching import Matcher
from quarters.planning.problems import ProblemKind
from quarters.planning.resolve import resolve

NEED = re.compile(r"^\s*(depends|makedepends|checkdepends)(_\w+)? = (\S+)", re.MULTILINE)
PROVIDES = re.compile(r"^\s*provides(?:_x86_64)? = (\S+)", re.MULTILINE)
PKGNAME = re.compile(r"^pkgname = (\S+)", re.MULTILINE)
VERSION = re.compile(r"^\s*(epoch|pkgver|pkgrel) = (\S+)", re.MULTILINE)
CONSTRAINT = re.compile(r"([^<>=]+)(<=|>=|<|>|=|)(.*)")

Edges = dict[tuple[str, str, str], set[str]]
"""By folder, kind and dependency as written: the folders of which exactly one has to be built before."""

Satisfies = Callable[[str, str, str], bool]
"""Whether a version, "" for none, meets an operator and a version."""


class Reading:
    """The corpus as a few regular expressions see it: folders, as some share a pkgbase."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self.bearers: dict[str, list[str]] = {}
        self.providers: dict[str, list[tuple[str, str]]] = {}
        self.versions: dict[str, str] = {}
        for folder, text in sorted(texts.items()):
            version = {"epoch": "0", **dict(VERSION.findall(text))}
            self.versions[folder] = f"{version['epoch']}:{version['pkgver']}-{version['pkgrel']}"
            for name in PKGNAME.findall(text):
                self.bearers.setdefault(name, []).append(folder)
            for name, op, provided in map(split, PROVIDES.findall(text)):
                self.providers.setdefault(name, []).append((folder, provided if op == "=" else ""))

    def pairs_by_name(self) -> set[tuple[str, str]]:
        """What needs what for any architecture, versions aside; a name beats a provider, every provider counts."""
        found = set()
        for folder, text in self.texts.items():
            for _, _, needed in NEED.findall(text):
                name = split(needed)[0]
                some = self.bearers.get(name, [])[:1] or [other for other, _ in self.providers.get(name, ())]
                found |= {(folder, other) for other in some if other != folder}
        return found

    def edges(self, satisfies: Satisfies) -> Edges:
        """What has to be built before what for x86_64."""
        found: Edges = {}
        for folder, text in self.texts.items():
            for kind, arch, needed in NEED.findall(text):
                if arch in ("", "_x86_64"):
                    others = self._needed(folder, kind, needed, satisfies)
                    if others:
                        found[folder, kind, needed] = others
        return found

    def _needed(self, folder: str, kind: str, needed: str, satisfies: Satisfies) -> set[str]:
        name, op, version = split(needed)
        named = [
            other for other in self.bearers.get(name, ()) if satisfies(self.versions[other], op, version)
        ]
        providing = {
            other
            for other, provided in self.providers.get(name, ())
            if satisfies(provided, op, version) or (not provided and name.endswith(".so"))
        }
        if kind == "depends" and folder in (named or providing):
            return set()
        return set([other for other in named if other != folder][:1]) or providing - {folder}


def split(text: str) -> tuple[str, str, str]:
    match = CONSTRAINT.fullmatch(text)
    assert match is not None, text
    return match[1], match[2], match[3]


@cache
def vercmp(left: str, right: str) -> int:
    return int(subprocess.run(["vercmp", left, right], check=True, capture_output=True, text=True).stdout)


def as_pacman_does(version: str, op: str, wanted: str) -> bool:
    if not op or not version:
        return not op
    order = vercmp(version, wanted)
    return (order < 0 and "<" in op) or (order > 0 and ">" in op) or (order == 0 and "=" in op)


@pytest.fixture(scope="module")
def texts(corpus: Path) -> dict[str, str]:
    return read_srcinfos(corpus)


@pytest.fixture(scope="module")
def reading(texts: dict[str, str]) -> Reading:
    return Reading({folder: text for folder, text in texts.items() if text})


@pytest.fixture(scope="module")
def recipes(texts: dict[str, str]) -> dict[str, Recipe]:
    return parse(texts, Pacman())


@pytest.fixture(scope="module")
def unconstrained(recipes: dict[str, Recipe]) -> dict[str, Recipe]:
    """The same recipes without version constraints, as the corpus's own account of its edges and cycles reads them."""

    def plain(recipe: Recipe) -> Recipe:
        needs = (
            msgspec.structs.replace(it, dependency=Dependency(it.dependency.name)) for it in recipe.needs
        )
        return msgspec.structs.replace(recipe, needs=tuple(needs))

    return {folder: plain(recipe) for folder, recipe in recipes.items()}


def edges_of(recipes: dict[str, Recipe]) -> Edges:
    catalog = catalog_of(recipes, outside(recipes))
    resolution = resolve(recipes, catalog, Matcher(catalog, Pacman()), Pacman())
    found: Edges = {}
    for folder, edges in resolution.edges.items():
        for edge in edges:
            found.setdefault((folder, edge.kind, edge.dependency), set()).add(edge.pkgbase)
    return found


def disagreements(got: Edges, expected: Edges) -> dict[tuple[str, str, str], tuple[set[str], set[str]]]:
    """Each need that has no edge, an edge too many, or one to somebody else than the reading allows."""
    pairs = {key: (got.get(key, set()), expected.get(key, set())) for key in got.keys() | expected.keys()}
    return {key: (some, right) for key, (some, right) in pairs.items() if len(some) != 1 or not some <= right}


def cycles(recipes: dict[str, Recipe]) -> list[tuple[str, ...]]:
    found = plan_all(recipes, outside(recipes), Pacman())
    return [problem.chain for problem in found.problems if problem.kind is ProblemKind.CYCLE]


def test_every_real_recipe_is_read_except_the_one_that_is_empty(
    texts: dict[str, str], recipes: dict[str, Recipe]
) -> None:
    assert len(texts) == 2533
    assert [folder for folder in texts if folder not in recipes] == ["upscayl-ncnn"]


def test_the_plain_reading_finds_as_many_edges_as_the_corpus_is_known_to_have(reading: Reading) -> None:
    assert len(reading.pairs_by_name()) == 3588


def test_every_edge_by_name_or_provider_is_in_the_plan_and_no_other(
    reading: Reading, unconstrained: dict[str, Recipe]
) -> None:
    expected: Edges = {}
    for (folder, kind, needed), others in reading.edges(lambda *_: True).items():
        expected[folder, kind, split(needed)[0]] = others
    got = edges_of(unconstrained)
    assert disagreements(got, expected) == {}
    print(f"{len(expected):,} needs, {len({(key[0], *others) for key, others in got.items()}):,} edges")


@pytest.mark.skipif(shutil.which("vercmp") is None, reason="pacman's vercmp is not installed")
def test_with_version_constraints_every_edge_is_the_one_that_pacmans_own_comparison_allows(
    reading: Reading, recipes: dict[str, Recipe]
) -> None:
    expected = reading.edges(as_pacman_does)
    assert any(needed != split(needed)[0] for _, _, needed in expected)
    assert disagreements(edges_of(recipes), expected) == {}


def test_the_recipes_that_need_each_other_are_the_three_groups_that_the_corpus_is_known_for(
    reading: Reading,
) -> None:
    graph: dict[str, list[str]] = {folder: [] for folder in reading.texts}
    for folder, other in sorted(reading.pairs_by_name()):
        graph[folder].append(other)
    assert sorted(sorted(group) for group in knots(graph)) == [
        ["dahdi-linux-git", "dahdi-tools"],
        ["java22-openjdk", "java23-openjdk", "java24-openjdk"],
        ["nvidia-340xx-utils", "xorg-server-git"],
    ]


def test_the_plan_names_those_cycles_that_choosing_a_provider_leaves(
    unconstrained: dict[str, Recipe],
) -> None:
    dahdi = ("dahdi-linux-git", "dahdi-tools", "dahdi-linux-git")
    nvidia = ("nvidia-340xx-utils", "xorg-server-git", "nvidia-340xx-utils")
    # The compilers of Java can all be built with `jdk`, which is in no cycle and comes first in the alphabet.
    assert cycles(unconstrained) == [dahdi, nvidia]
    without_jdk = {folder: recipe for folder, recipe in unconstrained.items() if folder != "jdk"}
    assert cycles(without_jdk) == [dahdi, ("java22-openjdk", "java23-openjdk", "java22-openjdk"), nvidia]


def test_version_constraints_open_the_cycle_of_compilers_that_are_built_with_their_predecessors(
    recipes: dict[str, Recipe],
) -> None:
    assert [cycle for cycle in cycles(recipes) if any("java" in name for name in cycle)] == []
    found = plan_all(recipes, outside(recipes), Pacman())
    missing = [
        problem for problem in found.problems if problem.chain == ("java22-openjdk", "java-environment=21")
    ]
    assert len(missing) == 1


def test_everything_that_is_planned_comes_after_what_it_needs(recipes: dict[str, Recipe]) -> None:
    done: set[str] = set()
    for build in plan_all(recipes, outside(recipes), Pacman()).builds:
        assert {edge.pkgbase for edge in build.needs} <= done
        done.add(build.pkgbase)
