"""Rows of running builds that are left to finish although their recipes are older: what is wanted in their place follows."""

from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from quarters.model.build import TERMINAL
from quarters.storage.schema import builds, requests, successions


class Due(NamedTuple):
    """A build that has ended and is to be followed, and the request that wants that."""

    build: int
    pkgbase: str
    repository: str
    arch: str
    request: int
    requester: str
    priority: int


def put(connection: Connection, build: int, version: str, request: int, priority: int) -> None:
    """Let what `request` wants follow a running build; the latest wish counts, and the highest priority."""
    earlier = select(successions.c.priority).where(successions.c.build == build)
    known = connection.execute(earlier).scalar_one_or_none()
    connection.execute(delete(successions).where(successions.c.build == build))
    urgency = max(priority, known or 0)
    connection.execute(insert(successions).values(build=build, request=request, priority=urgency))
    message = f"A newer recipe ({version}) is built when this build has ended."
    connection.execute(update(builds).where(builds.c.id == build).values(message=message))


def due(connection: Connection) -> list[Due]:
    """What is to be followed now, by build."""
    query = (
        select(
            builds.c.id,
            builds.c.pkgbase,
            builds.c.repository,
            builds.c.arch,
            successions.c.request,
            requests.c.requester,
            successions.c.priority,
        )
        .join(builds, builds.c.id == successions.c.build)
        .join(requests, requests.c.id == successions.c.request)
        .where(builds.c.state.in_(sorted(TERMINAL)))
        .order_by(builds.c.id)
    )
    return [Due(*row) for row in connection.execute(query)]


def pending(connection: Connection, repository: str, arch: str) -> dict[str, int]:
    """By pkgbase, the ended builds that are still to be followed."""
    return {
        one.pkgbase: one.build for one in due(connection) if (one.repository, one.arch) == (repository, arch)
    }


def drop(connection: Connection, build: int) -> None:
    """Nothing follows `build` any more, or it is there."""
    connection.execute(delete(successions).where(successions.c.build == build))


def withdraw(connection: Connection, request: int) -> list[int]:
    """Nothing follows builds for the sake of `request` any more; which builds that were."""
    statement = delete(successions).where(successions.c.request == request).returning(successions.c.build)
    return sorted(connection.execute(statement).scalars())
