"""Gives ready builds to a builder, and tells it everything that it needs to know about them."""

import hashlib
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from quarters.model.build import Build
from quarters.model.builder import Builder, BuilderState, Lease
from quarters.model.errors import LeaseLost
from quarters.model.recipe import Recipe
from quarters.model.repository import Repository
from quarters.planning.order import ASSUMED_DURATION
from quarters.protocol.builds import Assignment, LeaseKey, PackageRepository
from quarters.scheduler import published
from quarters.scheduler.selection import Rules, is_worth_it, select
from quarters.storage import builders, leases, queues, rebuilds, shares


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A build that was just given away, with what its builder will be told."""

    build: Build
    lease: Lease
    recipe: Recipe
    repository: Repository
    snapshot: int
    """The number of the snapshot that the repository serves, 0 before the first."""
    staging: tuple[str, ...] = ()
    """Repositories of what the build's rebuild has built so far."""
    published: str = ""
    """The version that its packages bear there already, where only building tells the recipe's."""


def next_look(
    connection: Connection, asking: Builder, now: datetime, rules: Rules
) -> tuple[bool, datetime | None]:
    """Whether there is anything that `asking` might be given, and if not, when something ends that it waits for."""
    builder = builders.find(connection, asking.name) or asking
    if is_worth_it(connection, builder, rules, now):
        return True, None
    moments = (queues.next_backoff(connection, builder.arches, now), builder.quarantined_until)
    return False, min((at for at in moments if at is not None and at > now), default=None)


def claim(
    connection: Connection, asking: Builder, free: int, lasts: timedelta, alive: timedelta, rules: Rules
) -> list[Claimed]:
    """Give `asking` at most `free` builds under leases that last `lasts`; `alive` is how long builders count as there."""
    now = asking.last_seen
    builder = builders.introduce(connection, asking)
    selection = select(connection, builder, free, now - alive, rules, now)
    if not selection.builds:
        return []
    leased = [
        Lease(
            build=build.id, attempt=build.attempt + 1, token=secrets.token_urlsafe(), expires_at=now + lasts
        )
        for build in selection.builds
    ]
    leases.grant(connection, leased, builder.name, now + lasts, now)
    if len(selection.competing) > 1:
        shares.charge(connection, _seconds(selection.builds), now)
    return _claimed(connection, selection.builds, leased)


def resume(connection: Connection, key: LeaseKey, lasts: timedelta, now: datetime) -> Claimed:
    """Give a build whose lease ran out back to who had it, for a next attempt, if nobody has begun it anew.

    Asking twice is as good as once: the new lease follows from the old one. LeaseLost if it is too late, or if the
    builder was disabled meanwhile.
    """
    number = key.attempt + 1
    token = hashlib.sha256(f"{key.lease}:{number}".encode()).hexdigest()
    lease = Lease(build=key.build, attempt=number, token=token, expires_at=now + lasts)
    lost = leases.held(connection, key.build, key.attempt, key.lease)
    if lost.build.attempt == number:
        found = leases.standing(connection, key.build, number, token)
    else:
        found = leases.left(lost, key.attempt)
        builder = leases.builder_of(connection, key.build, key.attempt)
        known = builders.find(connection, builder)
        if known is not None and known.state is BuilderState.DISABLED:
            raise LeaseLost()
        leases.grant(connection, [lease], builder, lease.expires_at, now)
    return _claimed(connection, [found.build], [lease])[0]


def _claimed(connection: Connection, builds: Sequence[Build], leased: Sequence[Lease]) -> list[Claimed]:
    details = leases.details_of(connection, [build.id for build in builds])
    return [
        Claimed(
            build=build,
            lease=lease,
            recipe=details[build.id].recipe,
            repository=details[build.id].repository,
            snapshot=details[build.id].snapshot,
            staging=rebuilds.staging(connection, build.rebuild),
            published=published.version(connection, build, details[build.id].recipe),
        )
        for build, lease in zip(builds, leased, strict=True)
    ]


def _seconds(given: Collection[Build]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for build in given:
        expected = build.duration or ASSUMED_DURATION
        seconds[build.source] = seconds.get(build.source, 0.0) + expected
    return seconds


def assignment(claimed: Claimed, heartbeat: float, key: str) -> Assignment:
    """What the builder is told; `key` is the public key of the build's repository."""
    build, recipe, repository = claimed.build, claimed.recipe, claimed.repository
    wanted, checks = recipe.configuration, recipe.checked(repository.checks)
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
        dependencies=recipe.installed_first(build.arch, checks=checks),
        remote_sources=recipe.has_remote_sources,
        repositories=_repositories(claimed, key),
        packager=build.packager,
        memory=build.memory,
        disk=build.disk,
        bump=build.bump,
        bumping=build.bumping,
        checks=checks,
        network=repository.network,
        profiles=repository.profiles,
        makepkg_conf=repository.makepkg_conf,
        pacman_conf=repository.pacman_conf,
        timeout=wanted.timeout or repository.timeout * max(1, wanted.timeout_factor),
        source=build.source,
        published=claimed.published,
        keep_replaces=wanted.keep_replaces,
        cache_sources=wanted.cache_sources,
        ccache=wanted.ccache,
        debug=wanted.debug,
        skip_code=wanted.skip_code,
    )


def _repositories(claimed: Claimed, key: str) -> tuple[PackageRepository, ...]:
    # Before its first publish a repository has no index, and pacman would take that for an error.
    names = (*claimed.staging, *((claimed.repository.name,) if claimed.snapshot else ()))
    own = (
        PackageRepository(name=name, server="/repo/$repo/$arch", sig_level="Required", key=key)
        for name in names
    )
    upstreams = (
        PackageRepository(
            name=upstream.name, server=upstream.server, sig_level=upstream.sig_level, key=upstream.key
        )
        for upstream in claimed.repository.upstreams
    )
    return (*own, *upstreams)
