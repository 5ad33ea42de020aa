"""Brings a repository to a place that any static web server serves: packages first, then the index, then what may go.

Whatever is going to be put there is noted before, so that a later export knows it; and nothing else is ever removed.
"""

import hashlib
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from quarters.formats.format import Format, Listing
from quarters.model.errors import Conflict, NotFound, TargetUnusable
from quarters.protocol.client import Client
from quarters.protocol.client.served import Fetched
from quarters.transfer import difference
from quarters.transfer.crew import Progress, each
from quarters.transfer.difference import Content, Lack
from quarters.transfer.targets.target import INDEXES, SIGNATURE, State, Target

_FETCHERS = 8


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to export: the served snapshot or another one, and for how long what is listed no more stays (None: for ever)."""

    repository: str
    location: str
    snapshot: str | None = None
    grace: timedelta | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What an export did: `packages` are there now, `sent` of them (`bytes`) came by this; `changed` if anything is new."""

    repository: str
    location: str
    snapshot: int
    packages: int
    sent: int
    bytes: int
    removed: int
    changed: bool


class Exporter:
    """Compares what a repository serves with what a target has, and sends the difference."""

    def __init__(
        self,
        client: Client,
        target: Target,
        format: Format,
        now: Callable[[], datetime],
        progress: Progress,
    ) -> None:
        self._client = client
        self._target = target
        self._format = format
        self._now = now
        self._progress = progress
        self._incoming = Path()
        self._bytes = 0

    async def run(self, order: Order) -> Report:
        """Export; TargetUnusable, NotFound. Stopped at any moment it leaves what was served before, or the new."""
        content = await self._content(order)
        async with self._target.opened() as self._incoming:
            state = await self._target.state() or State(repository=order.repository)
            if state.repository != order.repository:
                raise TargetUnusable(f"{order.location} is an export of {state.repository}.")
            sizes = await self._target.sizes()
            lacking = difference.lack(content, state, sizes)
            changed = bool(lacking.signatures) or lacking.indexes
            before = state.served
            if changed:
                state = await self._bring(content, state, lacking)
                # The one before is still being read by somebody.
                await self._remove(difference.outdated(sizes, before, state.served))
            removed = await self._tidy(state, order.grace)
        return Report(
            repository=order.repository,
            location=order.location,
            snapshot=content.number,
            packages=len(content.packages),
            sent=len(lacking.packages),
            bytes=self._bytes,
            removed=removed,
            changed=changed or bool(removed),
        )

    async def _content(self, order: Order) -> Content:
        view = await self._client.repositories.show(order.repository)
        number = view.snapshot.number if view.snapshot else 0
        if order.snapshot is not None:
            number = (await self._client.snapshots.show(order.repository, order.snapshot)).number
        if not number:
            raise NotFound(f"{order.repository} has no snapshot yet.")
        packages: dict[str, Listing] = {}
        index: dict[str, Fetched] = {}
        for arch in view.arches:
            names = list(self._format.index_aliases(view.name, view.compression))
            for name in (*names, *(f"{name}{SIGNATURE}" for name in names)):
                index[f"{arch}/{name}"] = await self._client.served.read(view.name, number, arch, name)
            listed = self._format.read_listing(index[f"{arch}/{names[0]}"].data)
            packages.update({f"{arch}/{it.file_name}": it for it in listed})
        return Content(view.name, number, packages, index, difference.signers(view, view.key))

    async def _bring(self, content: Content, state: State, lacking: Lack) -> State:
        """Send what is lacking, then let the index be seen; returns what is noted in the end."""
        await self._target.note(difference.announced(state, content, lacking))
        done = 0
        for batch in difference.batches(content, lacking):
            await each(batch, lambda name: self._fetch(content, lacking, name), _FETCHERS)
            files = [name for name in batch if name in lacking.packages]
            await self._target.put([*files, *(f"{name}{SIGNATURE}" for name in batch)])
            done += len(batch)
            self._progress(done, len(lacking.signatures), self._bytes)
        view = await self._client.repositories.show(content.repository)
        if difference.signers(view, view.key) != content.signers:
            raise Conflict(f"The keys of {content.repository} changed meanwhile; export it once more.")
        new = difference.completed(state, content, self._now())
        if lacking.indexes:
            await self._serve(content, new)
        else:
            new = msgspec.structs.replace(new, served=state.served, modified=state.modified)
        await self._target.note(new)
        return new

    async def _fetch(self, content: Content, lacking: Lack, name: str) -> None:
        """Bring a package's signature and, where it lacks too, the package into the folder."""
        arch, _, file_name = name.partition("/")
        path = self._incoming / name
        path.parent.mkdir(exist_ok=True)
        place = (content.repository, content.number, arch)
        await self._client.served.fetch(
            *place, f"{file_name}{SIGNATURE}", path.with_name(f"{file_name}{SIGNATURE}")
        )
        if name in lacking.packages:
            await self._client.served.fetch(*place, file_name, path)
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != content.packages[name].sha256:
                    raise NotFound(
                        f"What is served as {file_name} is not what the index lists; see `quarters repo check`."
                    )
            self._bytes += content.packages[name].size

    async def _serve(self, content: Content, state: State) -> None:
        names = []
        for name, its in content.indexes.items():
            path = self._incoming / INDEXES / state.served / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(its.data)
            os.utime(path, (state.modified, state.modified))
            names.append(f"{INDEXES}/{state.served}/{name}")
        await self._target.put(names)
        await self._target.serve(state.served, list(content.indexes))

    async def _tidy(self, state: State, grace: timedelta | None) -> int:
        """Remove packages that had their time; killed within, it leaves notes of files that are not there."""
        if grace is None or not (names := difference.over(state, self._now(), grace)):
            return 0
        await self._remove([*names, *(f"{name}{SIGNATURE}" for name in names)])
        left = {name: it for name, it in state.files.items() if name not in set(names)}
        await self._target.note(msgspec.structs.replace(state, files=left))
        return len(names)

    async def _remove(self, names: list[str]) -> None:
        if names:
            await self._target.remove(names)
