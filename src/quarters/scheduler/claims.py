"""Gives ready builds to a builder, and tells it everything that it needs to know about them."""

import re
import secrets
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from quarters.model.build import Build
from quarters.model.builder import Builder, Lease
from quarters.model.recipe import NeedKind, Recipe
from quarters.model.repository import Repository
from quarters.planning.assignment import choose
from quarters.protocol.builds import Assignment, PackageRepository
from quarters.storage import builders, leases

_LOOKED_AT = 256
"""Ready builds that a claim looks at, the most urgent first; more would only be passed over."""
# PKGBUILD(5), "USING VCS SOURCES": `git+https://…`, also `lp:`; a name may stand before (`name::url`).
_REMOTE = re.compile(r"(?:[^:]*::)?(?:(?:bzr|fossil|git|hg|svn)\+|lp:|[a-z][a-z0-9+.-]*://)")


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A build that was just given away, with what its builder will be told."""

    build: Build
    lease: Lease
    recipe: Recipe
    repository: Repository
    snapshot: int
    """The number of the snapshot that the repository serves, 0 before the first."""


def next_look(connection: Connection, builder: Builder, now: datetime) -> tuple[bool, datetime | None]:
    """Whether there is anything that `builder` might be given, and if not, when a backoff ends that it waits for."""
    ready, later = leases.next_ready(connection, builder.arches, now, 1)
    return bool(ready), later


def claim(
    connection: Connection, asking: Builder, free: int, lasts: timedelta, alive: timedelta
) -> list[Claimed]:
    """Give `asking` at most `free` builds under leases that last `lasts`; `alive` is how long builders count as there."""
    now = asking.last_seen
    builder = builders.introduce(connection, asking)
    others = [other for other in builders.alive(connection, now - alive) if other.name != builder.name]
    ready, _ = leases.next_ready(connection, builder.arches, now, _LOOKED_AT)
    claimed = []
    for build in choose(builder, free, ready, others=others, now=now):
        lease = Lease(
            build=build.id,
            attempt=build.attempt + 1,
            token=secrets.token_urlsafe(),
            expires_at=now + lasts,
        )
        leases.grant(connection, build.id, builder.name, lease, now)
        recipe, repository, snapshot = leases.details(connection, build.id)
        claimed.append(
            Claimed(build=build, lease=lease, recipe=recipe, repository=repository, snapshot=snapshot)
        )
    return claimed


def assignment(claimed: Claimed, heartbeat: float, key: str) -> Assignment:
    """What the builder is told; `key` is the public key of the build's repository."""
    build, recipe, repository = claimed.build, claimed.recipe, claimed.repository
    return Assignment(
        build=build.id,
        attempt=claimed.lease.attempt,
        lease=claimed.lease.token,
        heartbeat=heartbeat,
        repository=build.repository,
        arch=build.arch,
        pkgbase=build.pkgbase,
        version=recipe.version,
        outputs=recipe.made_for(build.arch),
        dynamic_version=recipe.dynamic_version,
        dependencies=dependencies(recipe, build.arch, checks=repository.checks),
        remote_sources=any(is_remote(source) for source in recipe.sources),
        repositories=_repositories(claimed, key),
        packager=build.packager,
        bump=build.bump,
        checks=repository.checks,
        network=repository.network,
        timeout=repository.timeout,
    )


def dependencies(recipe: Recipe, arch: str, *, checks: bool) -> tuple[str, ...]:
    """What has to be installed before `recipe` is built: what its base needs; what single packages need is for users."""
    own = {output.name for output in recipe.outputs}
    return tuple(
        dict.fromkeys(
            str(need.dependency)
            for need in recipe.needs_for(arch, checks=checks)
            if not need.output and not (need.kind is NeedKind.DEPENDS and need.dependency.name in own)
        )
    )


def is_remote(source: str) -> bool:
    """Whether a source entry has to be fetched; the others lie beside the recipe."""
    return _REMOTE.match(source) is not None


def _repositories(claimed: Claimed, key: str) -> tuple[PackageRepository, ...]:
    name = claimed.repository.name
    target = PackageRepository(name=name, server="/repo/$repo/$arch", sig_level="Required", key=key)
    upstreams = (
        PackageRepository(
            name=upstream.name, server=upstream.server, sig_level=upstream.sig_level, key=upstream.key
        )
        for upstream in claimed.repository.upstreams
    )
    # Before its first publish a repository has no index, and pacman would take that for an error.
    return (*((target,) if claimed.snapshot else ()), *upstreams)
