"""A repository, a source and the services of the scheduler over a database, with a clock that is turned by hand."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, select

from quarters.formats.pacman import Pacman
from quarters.model.build import Outcome, Reason, State, Step, StepRecord
from quarters.model.recipe import Dependency, Need, NeedKind, Origin, Output, Recipe, SourcedRecipe
from quarters.model.repository import Repository
from quarters.model.source import Source
from quarters.protocol.builds import ArtifactDigest, Assignment, ClaimRequest, Finish, LeaseKey
from quarters.protocol.resources import BuildRequest, Requested
from quarters.scheduler.builders import Builders
from quarters.scheduler.builds import Builds
from quarters.scheduler.history import BuildHistory
from quarters.scheduler.intake import Intake
from quarters.scheduler.leases import Leases, Terms
from quarters.scheduler.rebuilds import Rebuilds
from quarters.scheduler.requests import Requests
from quarters.scheduler.settings import LogsSettings, SchedulerSettings
from quarters.scheduler.upstreams import Upstreams
from quarters.storage import builds, recipes, repositories, sources
from quarters.storage.database import Database
from quarters.storage.logs import LogFiles
from quarters.storage.schema import builds as build_rows
from quarters.storage.uploads import Incoming
from quarters.storage.wakeups import Wakeups

FORMATS = {"pacman": Pacman()}


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Farm:
    """The scheduler's services as a server would have them."""

    def __init__(self, database: Database, folder: Path, settings: SchedulerSettings | None = None) -> None:
        self.database = database
        self.clock = Clock()
        self.wakeups = Wakeups()
        self.settings = settings or SchedulerSettings()
        self.logs = LogFiles(folder / "logs")
        self.incoming = Incoming(folder / "incoming")
        upstreams = Upstreams(database, self.wakeups, FORMATS, self.settings, self.clock)
        self.upstreams = upstreams
        self.requests = Requests(database, self.wakeups, upstreams, FORMATS, self.settings, self.clock)
        self.rebuilds = Rebuilds(database, self.wakeups, upstreams, FORMATS, self.settings, self.clock)
        self.builds = Builds(database, self.wakeups, self.logs, self.settings, self.clock)
        self.history = BuildHistory(database, self.wakeups, self.logs, LogsSettings(), self.clock)
        self.builders = Builders(database, self.wakeups, self.settings, self.clock)
        intake = Intake(self.logs, self.incoming, FORMATS)
        self.leases = Leases(
            database, self.wakeups, intake, Terms(self.settings), lambda name: f"key of {name}", self.clock
        )

    async def begin(self, *found: SourcedRecipe, repository: Repository | None = None) -> None:
        """Make the repository `extra` and the source `tree`, which holds these recipes."""
        await self.database.write(
            repositories.add, repository or Repository(name="extra", checks=False), self.clock()
        )
        source = Source(name="tree", kind="tree", location="/tree", repository="extra")
        await self.database.write(sources.add, source)
        await self.have(*found)

    async def have(self, *found: SourcedRecipe) -> None:
        """Let the source hold these recipes as well, or anew."""

        def change(connection: Connection) -> None:
            recipes.put(connection, found)
            sources.advance(connection, "tree")

        await self.database.write(change)

    async def ask(self, *packages: str, force: bool = False, priority: int = 0) -> Requested:
        """A person asks for packages."""
        request = BuildRequest(packages=packages, force=force, priority=priority)
        return await self.requests.request(request, "ann")

    async def claim(self, builder: str = "anvil", free: int = 1) -> list[Assignment]:
        """A builder asks for work and does not wait."""
        request = ClaimRequest(builder=builder, arches=("x86_64",), slots=4, free=free)
        return list((await self.leases.claim(request)).assignments)

    async def claimed(self, builder: str = "anvil") -> Assignment:
        """A builder asks for one build and gets it."""
        (one,) = await self.claim(builder)
        return one

    async def upload(self, one: Assignment, content: bytes = b"package") -> ArtifactDigest:
        """Send the package that `one` makes."""
        name = f"{one.pkgbase}-{one.version}-{one.arch}.pkg.tar.zst"
        artifact = ArtifactDigest(file_name=name, size=len(content), sha256=sha256(content).hexdigest())
        await self.leases.receive_artifact(key(one), artifact, 0, pieces(content))
        return artifact

    async def build(self, one: Assignment) -> None:
        """Let a builder build, upload and finish."""
        artifact = await self.upload(one)
        await self.leases.finish(key(one), built(one, artifact))

    async def fail(self, one: Assignment, reason: Reason = Reason.BUILD_FAILED) -> None:
        """Let a builder say that it failed."""
        steps = (StepRecord(step=Step.BUILD, started_at=self.clock(), exit_code=4),)
        finish = Finish(outcome=Outcome.FAILED, steps=steps, reason=reason, exit_code=4, message="It broke.")
        await self.leases.finish(key(one), finish)

    async def publish(self, build: int) -> None:
        """End a build as the publisher does, without packages."""
        await self.database.write(builds.succeed, build, self.clock())

    async def run(self, *pkgbases: str) -> None:
        """Claim, build and publish these, in this order and nothing else."""
        for pkgbase in pkgbases:
            one = await self.claimed()
            assert one.pkgbase == pkgbase
            await self.build(one)
            await self.publish(one.build)

    async def states(self) -> dict[str, State]:
        """The state of the newest build of each pkgbase."""

        def read(connection: Connection) -> dict[str, State]:
            query = select(build_rows.c.pkgbase, build_rows.c.state).order_by(build_rows.c.id)
            return {row.pkgbase: State(row.state) for row in connection.execute(query)}

        return await self.database.read(read)


def recipe(pkgbase: str, *needs: str, version: str = "1-1", fingerprint: str = "f1") -> SourcedRecipe:
    """A recipe that makes one package and needs others to be built."""
    return SourcedRecipe(
        pkgbase=pkgbase,
        origin=Origin(
            source="tree",
            path=pkgbase,
            revision="r1",
            fingerprint=fingerprint,
            author="Ann <ann@example.org>",
        ),
        recipe=Recipe(
            pkgbase=pkgbase,
            version=version,
            arches=("x86_64",),
            outputs=(Output(pkgbase, ("x86_64",)),),
            needs=tuple(Need(Dependency(name), NeedKind.MAKEDEPENDS) for name in needs),
        ),
    )


def key(one: Assignment) -> LeaseKey:
    """What the builder shows."""
    return LeaseKey.of(one)


def built(one: Assignment, *artifacts: ArtifactDigest) -> Finish:
    """A finish that says that all is well."""
    return Finish(outcome=Outcome.BUILT, steps=(), version=one.version, artifacts=artifacts)


async def pieces(content: bytes, size: int = 3) -> AsyncIterator[bytes]:
    """`content` as it comes from a connection."""
    for at in range(0, len(content), size):
        yield content[at : at + size]
