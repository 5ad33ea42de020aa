"""Publishes what builders delivered: verified, and all that is ready for a repository in one swap."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog
from sqlalchemy import Connection

from quarters.model.build import Reason
from quarters.model.errors import (
    Conflict,
    NotFound,
    PackageInvalid,
    PublishRejected,
    SignatureRefused,
    Unavailable,
)
from quarters.model.rebuild import PENDING
from quarters.model.repository import PackageFile, Rebuilds, Repository
from quarters.publishing import trust
from quarters.publishing.change import Gathering
from quarters.publishing.intake import Intake
from quarters.publishing.linkage import culprits
from quarters.publishing.settings import PublishingSettings
from quarters.publishing.staging import Staging
from quarters.publishing.swap import Credit, told
from quarters.publishing.verify import Delivered, check_delivered, check_promise, promise
from quarters.storage import builds, events, rebuilds, repositories
from quarters.storage.builds import Uploaded
from quarters.storage.database import Database
from quarters.storage.packages import Addition
from quarters.storage.uploads import Incoming
from quarters.storage.wakeups import Topic, Wakeups

_POLL = 5.0
"""Seconds between two looks at the rows, should a wake-up be missed."""

log = structlog.get_logger(__name__)


class Verified(msgspec.Struct, frozen=True):
    """A build whose files are what was promised, and those of them that its repository is to list."""

    uploaded: Uploaded
    files: tuple[PackageFile, ...]
    signatures: Mapping[str, Mapping[str, bytes]]
    """Those of its builder, by the file's sha256 and the fingerprint of the key."""
    taken: frozenset[str] = frozenset()


class Deliveries:
    """Takes builds from `publishing` to their end; a build leaves that state only together with its snapshot."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        incoming: Incoming,
        intake: Intake,
        staging: Staging,
        settings: PublishingSettings,
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._incoming = incoming
        self._intake = intake
        self._staging = staging
        self._swap = staging.swap
        self._settings = settings

    async def run(self) -> None:
        """Publish whatever becomes ready, until cancelled."""
        await self._wakeups.follow(Topic.PUBLISHING, self.publish_ready, _POLL, share=1)

    async def publish_ready(self) -> None:
        """Publish every build that waits for it now, or note why it cannot be published."""
        now = self._swap.now()
        by_repository: defaultdict[str, list[Uploaded]] = defaultdict(list)
        for uploaded in await self._database.read(builds.publishing):
            if uploaded.build.not_before is None or uploaded.build.not_before <= now:
                by_repository[uploaded.build.repository].append(uploaded)
        work = [self._publish(name, group) for name, group in by_repository.items()]
        # One repository's trouble is not to leave the others unwatched.
        troubles = [it for it in await asyncio.gather(*work, return_exceptions=True) if it is not None]
        if troubles:
            raise BaseExceptionGroup("not everything could be published", troubles)

    async def _publish(self, name: str, group: Sequence[Uploaded]) -> None:
        try:
            repository = await self._database.read(repositories.get, name)
        except NotFound:
            return  # deleted meanwhile, and its builds with it
        checked = [await self._verified(uploaded, repository) for uploaded in group]
        by_rebuild: defaultdict[int | None, list[Verified]] = defaultdict(list)
        for it in checked:
            if it is not None:
                by_rebuild[it.uploaded.build.rebuild].append(it)
        for number, verified in by_rebuild.items():
            target = await self._target(repository, number)
            async with self._swap.lock(target):
                await self._swap_in(target, verified)

    async def _target(self, repository: Repository, number: int | None) -> str:
        """Where packages are listed first: those of a rebuild are not visible yet."""
        if number is None:
            return repository.name
        rebuild = await self._database.read(rebuilds.get, number)
        if rebuild.state not in PENDING:
            return repository.name
        return (await self._staging.repository(rebuild, repository)).name

    async def _verified(self, uploaded: Uploaded, repository: Repository) -> Verified | None:
        try:
            return await asyncio.to_thread(self._read, uploaded, repository)
        except SignatureRefused as error:
            await self._refuse(uploaded, Reason.SIGNATURE_UNTRUSTED, str(error))
        except (PackageInvalid, PublishRejected) as error:
            await self._refuse(uploaded, Reason.PUBLISH_REJECTED, str(error))
        except FileNotFoundError as error:
            await self._refuse(
                uploaded, Reason.INTERNAL_ERROR, f"The uploaded file {error.filename} is gone."
            )
        except (OSError, Unavailable) as error:
            await self._postpone([uploaded], error)
        except Exception:
            # One strange package must not hold up all others.
            log.exception("a package could not be verified", build=uploaded.build.id)
            await self._refuse(uploaded, Reason.INTERNAL_ERROR, "Verifying its packages failed unexpectedly.")
        return None

    def _read(self, uploaded: Uploaded, repository: Repository) -> Verified:
        build, format = uploaded.build, self._intake.formats[repository.format]
        files, signatures = [], {}
        for artifact in uploaded.artifacts:
            path = self._incoming.path(build.id, build.attempt, artifact.file_name)
            file = format.read_package(path, artifact.file_name)
            check_delivered(
                Delivered(
                    file_name=artifact.file_name,
                    size=artifact.size,
                    sha256=artifact.sha256,
                    version=artifact.version,
                ),
                file,
            )
            files.append(file)
            name, signature = artifact.file_name, artifact.signature
            signatures[file.sha256] = trust.delivered(repository, path, name, signature, self._swap.now())
        check_promise(promise(uploaded.recipe, build, format), files)
        return Verified(uploaded, tuple(files), signatures)

    async def _swap_in(self, name: str, verified: Sequence[Verified]) -> None:
        """Publish all of `verified` at once or, where that fails unexpectedly, one by one to find the culprit."""
        try:
            await self._list(name, verified)
        except (Conflict, NotFound) as error:
            # Cancelled, deleted or published by somebody else meanwhile: the rows say what to do next.
            log.info("a publish is begun anew", repository=name, why=str(error))
        except (OSError, Unavailable) as error:
            await self._postpone([it.uploaded for it in verified], error)
        except Exception:
            log.exception(
                "a publish failed", repository=name, builds=[it.uploaded.build.id for it in verified]
            )
            if len(verified) > 1:
                for it in verified:
                    await self._swap_in(name, [it])
            else:
                await self._refuse(
                    verified[0].uploaded, Reason.INTERNAL_ERROR, "Publishing failed unexpectedly."
                )

    async def _list(self, name: str, verified: Sequence[Verified]) -> None:
        repository = await self._database.read(repositories.get, name)
        gathering, accepted = await self._accepted(repository, verified)
        if not accepted:
            return
        if repository.rebuilds is Rebuilds.AUTO and await self._kept_back(repository, gathering, accepted):
            return
        takings = (self._additions(it) for it in accepted)
        change = gathering.change([it for some in await asyncio.gather(*takings) for it in some])

        def succeed(connection: Connection, now: datetime) -> None:
            for it in accepted:
                version = it.files[0].version
                builds.succeed(connection, it.uploaded.build.id, now, version=version, message="")

        if change.put:
            await self._swap.publish(repository, change, _credit(accepted), succeed)
        else:
            await self._database.write(succeed, self._swap.now())
            self._wakeups.notify(Topic.READY, Topic.BUILDS, Topic.EVENTS)
        for it in accepted:
            await self._discard(it.uploaded)

    async def _accepted(
        self, repository: Repository, verified: Sequence[Verified]
    ) -> tuple[Gathering, list[Verified]]:
        """Those of `verified` that the repository may list, and in the end, of a rebuild, the one that it is for."""
        format = self._intake.formats[repository.format]
        names = {file.name for it in verified for file in it.files}
        gatherings = []
        for name in dict.fromkeys([verified[0].uploaded.build.repository, repository.name]):
            target = msgspec.structs.replace(repository, name=name)
            gatherings.append(await self._database.read(Gathering.of, target, names, format))
        accepted: list[Verified] = []
        for it in verified:
            build, taken = it.uploaded.build, frozenset[str]()
            try:
                for gathering in gatherings:
                    taken = gathering.accept(
                        it.files, build.fingerprint, allow_downgrade=build.allow_downgrade
                    )
            except PublishRejected as error:
                await self._refuse(it.uploaded, Reason.PUBLISH_REJECTED, str(error))
            else:
                accepted.append(msgspec.structs.replace(it, taken=taken))
        return gatherings[-1], accepted

    async def _kept_back(
        self, repository: Repository, gathering: Gathering, accepted: Sequence[Verified]
    ) -> bool:
        """Whether something of this must not become visible before what links to it was built again: a rebuild begins."""
        if repository.name != accepted[0].uploaded.build.repository:
            return False  # nothing of it becomes visible yet
        format = self._intake.formats[repository.format]
        files = [file for it in accepted for file in it.files]
        found = await self._database.read(culprits, repository, gathering.change([]), files, format)
        ids = [it.uploaded.build.id for it in accepted if it.uploaded.build.pkgbase in found]
        if not ids:
            return False

        def begin(connection: Connection) -> None:
            now = self._swap.now()
            detail = " ".join(f"{sentence}." for base in sorted(found) for sentence in sorted(found[base]))
            number = rebuilds.add(connection, repository.name, "rebuilds", detail, now)
            rebuilds.join(connection, ids, number)
            rebuilds.spread(connection, repository.name)
            data: events.Data = {"rebuild": number, "detail": detail}
            events.record(connection, now, "rebuild.begun", repository.name, data)

        await self._database.write(begin)
        self._wakeups.notify(Topic.PUBLISHING, Topic.BUILDS, Topic.EVENTS)
        return True

    async def _additions(self, verified: Verified) -> list[Addition]:
        build = verified.uploaded.build
        return [
            await self._intake.take(
                self._incoming.path(build.id, build.attempt, file.file_name),
                file,
                build=build.id,
                fingerprint=build.fingerprint,
                signatures=verified.signatures[file.sha256],
            )
            for file in verified.files
            if file.sha256 in verified.taken
        ]

    async def _refuse(self, uploaded: Uploaded, reason: Reason, message: str) -> None:
        def fail(connection: Connection) -> None:
            builds.fail(connection, uploaded.build.id, reason, message, self._swap.now())

        try:
            await self._database.write(fail)
        except (Conflict, NotFound):
            return  # it ended otherwise meanwhile
        self._wakeups.notify(Topic.BUILDS, Topic.EVENTS)
        await self._discard(uploaded)

    async def _postpone(self, group: Sequence[Uploaded], error: OSError | Unavailable) -> None:
        again = self._swap.now() + timedelta(seconds=self._settings.retry_after)
        message = f"Publishing is tried again at {again:%H:%M:%S} UTC. {error}"
        log.warning("a publish has to wait", builds=[it.build.id for it in group], why=str(error))

        def note(connection: Connection) -> None:
            for it in group:
                builds.postpone(connection, it.build.id, message, again)

        try:
            await self._database.write(note)
        except Unavailable:  # the database's disk is full as well
            log.warning("why a publish waits could not be noted")
        self._wakeups.notify(Topic.BUILDS)

    async def _discard(self, uploaded: Uploaded) -> None:
        build = uploaded.build
        await asyncio.to_thread(self._incoming.remove, [(build.id, build.attempt)])


def _credit(accepted: Sequence[Verified]) -> Credit:
    requesters = sorted({it.uploaded.build.requester for it in accepted})
    return Credit(
        told(requesters), told([f"{it.uploaded.build.pkgbase} {it.files[0].version}" for it in accepted])
    )
