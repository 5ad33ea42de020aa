"""What a process does with two repositories until it is killed: publish, promote, roll back, clean, in a seeded order."""

import asyncio
import random
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, NamedTuple

from quarters.formats.pacman import Pacman
from quarters.model.build import State
from quarters.protocol.resources import BuildFilter
from quarters.protocol.snapshots import Promotion
from quarters.scheduler.settings import SchedulerSettings
from quarters.server.services import Services
from quarters.server.settings import ServerSettings
from tests.press import Made, Press, package, recipe
from tests.serving import services

Content = dict[str, dict[str, str]]
"""Versions by name, by repository."""

REPOSITORIES = ("own", "final")
NAMES = ("anvil", "bellows", "chisel", "drill", "engine", "file")


class Operation(NamedTuple):
    """Something that is done, and what is listed once it is."""

    kind: str
    after: Content
    work: Callable[[], Awaitable[object]]


class Life:
    """One process from its start until it is killed."""

    def __init__(self, press: Press, seed: str) -> None:
        self.press = press
        self._offered: Services = services(press, ServerSettings(), SchedulerSettings())
        self._chance = random.Random(seed)
        self._release = seed.rpartition("/")[2]
        self._count = 0

    async def recovered(self) -> dict[str, Any]:
        """Start as a server starts; what is then there, and what a check finds."""
        await self.press.publisher.recover()
        await self._offered.leases.recover()
        self._offered.uploads.sweep()
        report = {
            "listed": await self.content(),
            "unsigned": [it for name in REPOSITORIES for it in await self._unsigned(name)],
            "findings": [it for name in REPOSITORIES for it in await self._findings(name)],
            "unfinished": [str(it) for it in self.press.folder.rglob(".new-*")],
        }
        # A delivery that was broken off is gone on with.
        await self.press.deliveries.publish_ready()
        return report | {"then": await self.content()}

    async def content(self) -> Content:
        """What is listed."""
        return {name: await self.press.listed(name) for name in REPOSITORIES}

    async def next(self) -> Operation:
        """What is to be done next."""
        self._count += 1
        self.press.clock.at += timedelta(hours=3)
        return await self._chance.choice(
            (self._upload, self._delivery, self._promotion, self._rollback, self._cleaning, self._both)
        )()

    async def left(self) -> dict[str, Any]:
        """What is there once everything had its time to be cleaned away."""
        for _ in range(2):
            self.press.clock.at += timedelta(days=2)
            for name in REPOSITORIES:
                await self.press.upload(package("last", f"{self.press.clock.at.toordinal()}-1"), name)
                await self.press.retention.clean(name, dry_run=False, actor="anna")
        await self._offered.leases.sweep()
        await self.press.swap.tidied()
        store = self.press.folder / "packages"
        builds = (await self._offered.builds.list(BuildFilter(), 1000, None)).items
        return {
            "findings": [it for name in REPOSITORIES for it in await self._findings(name)],
            "marked": (await self.press.retention.clean("own", dry_run=True, actor="anna")).unlisted,
            "files": len([it for it in store.rglob("*") if it.is_file()]),
            "packages": len({sha for name in REPOSITORIES for sha in await self._kept(name)}),
            "indexes": {it: len(list((self.press.folder / "index" / it).iterdir())) for it in REPOSITORIES},
            "incoming": [str(it) for it in (self.press.folder / "incoming").iterdir()],
            "builds": len(builds),
            "unpublished": [it.id for it in builds if it.state is not State.SUCCEEDED],
        }

    async def _upload(self) -> Operation:
        made = self._made(self._chance.choice(NAMES))
        return Operation("upload", await self._with(made), lambda: self._put(made))

    async def _delivery(self) -> Operation:
        names = self._chance.sample(NAMES, 2)
        made = [self._made(name, base="tools") for name in names]
        await self.press.delivered(recipe("tools", *names, version=made[0].version), *made)
        return Operation("delivery", await self._with(*made), self.press.deliveries.publish_ready)

    async def _promotion(self) -> Operation:
        content = await self.content()
        own, final = content["own"], content["final"]
        names = [it for it in own if it not in final or Pacman().compare(own[it], final[it]) > 0]
        if not names:
            return await self._upload()
        promotion = Promotion(target="final", packages=tuple(names))
        after = {"own": own, "final": final | {it: own[it] for it in names}}
        return Operation("promotion", after, lambda: self.press.promotions.promote("own", promotion, "anna"))

    async def _rollback(self) -> Operation:
        name = self._chance.choice(REPOSITORIES)
        _, *older = (await self.press.history.list(name, 6, None)).items
        if not older:
            return await self._upload()
        number = self._chance.choice(older).number
        path = await self.press.shelf.index_file(name, number, "x86_64", f"{name}.db")
        its = {it.name: it.version for it in Pacman().read_index(path.read_bytes())}
        after = await self.content() | {name: its}
        return Operation("rollback", after, lambda: self.press.publisher.rollback(name, number, "anna"))

    async def _cleaning(self) -> Operation:
        return Operation("cleaning", await self.content(), self._clean)

    async def _both(self) -> Operation:
        made = self._made(self._chance.choice(NAMES))
        return Operation(
            "upload beside cleaning",
            await self._with(made),
            lambda: asyncio.gather(self._clean(), self._put(made)),
        )

    async def _clean(self) -> None:
        for name in REPOSITORIES:
            await self.press.retention.clean(name, dry_run=False, actor="anna")

    async def _with(self, *made: Made) -> Content:
        content = await self.content()
        return content | {"own": content["own"] | {it.file_name.split("-")[0]: it.version for it in made}}

    def _made(self, name: str, base: str = "") -> Made:
        text = f"{name} of {self._release}.{self._count}\n"
        return package(name, f"{self._release}.{self._count}-1", base=base, text=text)

    async def _put(self, made: Made) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield made.content

        async with self._offered.uploads.received(chunks()) as path:
            await self.press.publisher.upload("own", made.file_name, path, "anna")

    async def _findings(self, name: str) -> list[str]:
        checked = await self.press.inspector.check(name, repair=False, actor="anna")
        return [it.sentence for it in checked.findings]

    async def _unsigned(self, name: str) -> list[str]:
        """Index files that GnuPG does not take for signed."""
        said = []
        for file in (f"{name}.db", f"{name}.files"):
            path = await self.press.shelf.index_file(name, None, "x86_64", file)
            process = await asyncio.create_subprocess_exec(
                "gpgv", "--keyring", self.press.folder / "public.gpg", f"{path}.sig", path,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
            _, complaint = await process.communicate()
            said += [complaint.decode()] if process.returncode else []
        return said

    async def _kept(self, name: str) -> set[str]:
        """What all snapshots together list."""
        kept = set()
        for snapshot in (await self.press.history.list(name, 1000, None)).items:
            path = await self.press.shelf.index_file(name, snapshot.number, "x86_64", f"{name}.db")
            kept |= {(it.name, it.version) for it in Pacman().read_index(path.read_bytes())}
        await asyncio.to_thread(self.press.index.prune, name, (await self._newest(name)), 3)
        return {f"{name} {version}" for name, version in kept}

    async def _newest(self, name: str) -> int:
        return (await self.press.history.list(name, 1, None)).items[0].number
