"""Rows of which packages met the dependencies of an attempt."""

from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

from quarters.model.build import State
from quarters.storage.schema import builds, surroundings

_WATCHED = sorted({State.RUNNING, State.FAILED, State.TIMED_OUT})
_later = builds.alias("later")


class Watched(NamedTuple):
    """A running or failed build that is the latest of its recipe, and what is known of its last attempt."""

    id: int
    state: State
    pkgbase: str
    fingerprint: str
    attempt: int
    packages: dict[str, str] | None
    """By dependency, the package that met it; None if that was not noted for this attempt."""


def watched(connection: Connection, repository: str, arch: str) -> list[Watched]:
    """Those of `repository` and `arch`, by number."""
    later = (
        select(_later.c.id)
        .where(
            _later.c.repository == builds.c.repository,
            _later.c.pkgbase == builds.c.pkgbase,
            _later.c.arch == builds.c.arch,
            _later.c.id > builds.c.id,
        )
        .exists()
    )
    query = (
        select(
            builds.c.id,
            builds.c.state,
            builds.c.pkgbase,
            builds.c.fingerprint,
            builds.c.attempt,
            surroundings.c.attempt.label("noted"),
            surroundings.c.packages,
        )
        .outerjoin(surroundings, surroundings.c.build == builds.c.id)
        .where(builds.c.repository == repository, builds.c.arch == arch, builds.c.state.in_(_WATCHED), ~later)
        .order_by(builds.c.id)
    )
    return [
        Watched(
            row.id,
            State(row.state),
            row.pkgbase,
            row.fingerprint,
            row.attempt,
            row.packages if row.noted == row.attempt else None,
        )
        for row in connection.execute(query)
    ]


def note(connection: Connection, build: int, attempt: int, packages: dict[str, str]) -> None:
    """Store what met the dependencies of an attempt."""
    connection.execute(delete(surroundings).where(surroundings.c.build == build))
    connection.execute(insert(surroundings).values(build=build, attempt=attempt, packages=packages))
