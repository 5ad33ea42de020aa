"""What requests have in common: the repository and architectures that are meant, what is refused, what is told."""

from collections.abc import Sequence

from quarters.model.errors import Invalid, NotFound
from quarters.model.repository import Repository
from quarters.planning.problems import ProblemKind
from quarters.protocol.resources import Requested
from quarters.scheduler.enqueue import Enqueued
from quarters.scheduler.proposals import Proposal
from quarters.storage import repositories
from quarters.storage.database import Database


async def chosen(database: Database, name: str | None) -> Repository:
    """The repository of that name or, where none is named, the only one; NotFound, Invalid."""
    if name is not None:
        return await database.read(repositories.get, name)
    found = await database.read(repositories.listed)
    if not found:
        raise NotFound("There is no repository yet; create one with `quarters repo create`.")
    if len(found) > 1:
        names = ", ".join(repository.name for repository in found)
        raise Invalid(f"Say which repository is meant: {names}.")
    return found[0]


def arches_of(repository: Repository, arch: str | None) -> Sequence[str]:
    """The architecture that is named, if the repository has it, or all that it has; Invalid."""
    if arch is not None and arch not in repository.arches:
        raise Invalid(f"{repository.name} is for {', '.join(repository.arches)}, not for {arch}.")
    return repository.arches if arch is None else (arch,)


def refuse_unknown(proposal: Proposal) -> None:
    """Raise NotFound, or Invalid, where a person asked for what no recipe makes, or an unreadable one."""
    found = [problem for part in proposal.parts for problem in part.plan.problems]
    unknown = dict.fromkeys(one.message for one in found if one.kind is ProblemKind.UNKNOWN)
    if unknown:
        raise NotFound(" ".join(unknown))
    unreadable = dict.fromkeys(one.message for one in found if one.kind is ProblemKind.UNREADABLE)
    if unreadable:
        raise Invalid(" ".join(unreadable))


def answer(
    request: int,
    done: Sequence[Enqueued],
    problems: tuple[str, ...],
    *,
    current: tuple[str, ...] = (),
    rebuild: int | None = None,
) -> Requested:
    """What a person is told of a request after it was carried out for each architecture."""
    return Requested(
        request=request,
        builds=tuple(build for one in done for build in one.created.values()),
        joined=tuple(build for one in done for build in one.joined.values()),
        built=tuple(build for one in done for build in one.held.values()),
        current=current,
        problems=problems,
        rebuild=rebuild,
    )
