"""Makes plans from rows without holding writers up, and carries them out only if the rows still say the same."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection

from quarters.formats.format import Format, Formats
from quarters.model.recipe import SourcedRecipe
from quarters.planning.catalog import Catalog
from quarters.planning.outdated import Wanted
from quarters.planning.plan import Plan, plan
from quarters.planning.problems import ProblemKind
from quarters.scheduler import catalogs
from quarters.scheduler.catalogs import PLAIN, View
from quarters.storage import repositories, requests, upstreams
from quarters.storage.database import Database
from quarters.storage.requests import Basis

T = TypeVar("T")
Wish = Callable[[Catalog, Format], Sequence[Wanted]]
"""What is wanted, given what there is."""

_TRIES = 2


class Part(NamedTuple):
    """The plan for one architecture, and the recipes that it speaks of."""

    plan: Plan
    recipes: dict[str, SourcedRecipe]


class Proposal(NamedTuple):
    """A plan for each architecture, good as long as the rows that it was made from stay as they were."""

    repository: str
    parts: tuple[Part, ...]
    basis: Basis


Deed = Callable[[Connection, Proposal], T]
"""Carries a proposal out within a transaction."""


def propose(
    connection: Connection,
    repository: str,
    arches: Sequence[str],
    wish: Wish,
    formats: Formats,
    view: View = PLAIN,
) -> Proposal:
    """Plan what `wish` wants for each of `arches`."""
    basis = requests.basis(connection, repository)
    settings = repositories.get(connection, repository)
    format = formats[settings.format]
    parts = []
    for arch in arches:
        catalog, recipes = catalogs.read(connection, settings, arch, format, view)
        parts.append(Part(plan(wish(catalog, format), catalog, format), recipes))
    return Proposal(repository, tuple(parts), basis)


async def carry_out(database: Database, make: Callable[[Connection], Proposal], deed: Deed[T]) -> T:
    """Make a proposal and do `deed` with it, in a transaction that sees the rows that it was made from."""

    def if_current(connection: Connection, proposal: Proposal) -> tuple[T] | None:
        if requests.basis(connection, proposal.repository) != proposal.basis:
            return None
        return (deed(connection, proposal),)

    for _ in range(_TRIES):
        done = await database.write(if_current, await database.read(make))
        if done is not None:
            return done[0]
    # Something is published all the time: then everybody else waits for once.
    return await database.write(lambda connection: deed(connection, make(connection)))


def sentences(connection: Connection, proposal: Proposal) -> tuple[str, ...]:
    """What cannot be planned, in sentences; an upstream that cannot be read may well be the cause."""
    plans = [part.plan for part in proposal.parts]
    fits = {one.pkgbase for plan in plans for one in plan.builds}
    fits.update(one.pkgbase for plan in plans for one in plan.current)
    found = [
        problem
        for plan in plans
        for problem in plan.problems
        if problem.kind is not ProblemKind.WRONG_ARCH or problem.name not in fits
    ]
    sentences = dict.fromkeys(problem.message for problem in found)
    if any(problem.kind is ProblemKind.UNRESOLVABLE for problem in found):
        sentences |= dict.fromkeys(upstreams.problems(connection, proposal.repository))
    return tuple(sentences)
