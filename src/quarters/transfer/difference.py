"""What a target lacks of a repository, and what it has of it that may go; decided without asking either of them."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from quarters.formats.format import Listing
from quarters.model.repository import Repository
from quarters.protocol.client.served import Fetched
from quarters.transfer.targets.target import INDEXES, SIGNATURE, Kept, State

_BATCH = 500
_BATCH_BYTES = 512 << 20
"""Files that are on their way at once: they take that much room on the machine that exports."""


class Content(NamedTuple):
    """A snapshot as its clients see it: packages and index files by `ARCH/FILE`; `signers` stands for the keys."""

    repository: str
    number: int
    packages: Mapping[str, Listing]
    indexes: Mapping[str, Fetched]
    signers: str


class Lack(NamedTuple):
    """Packages that have to be sent, and those whose signatures have to be."""

    packages: frozenset[str]
    signatures: tuple[str, ...]
    indexes: bool


def signers(repository: Repository, key: str) -> str:
    """Stands for all that decides about whose signatures are served."""
    kept = sorted(repository.trusted_keys) if repository.keep_signatures else []
    return hashlib.sha256(" ".join([key, *kept]).encode()).hexdigest()


def lack(content: Content, state: State, sizes: Mapping[str, int]) -> Lack:
    """What a target, where files of these `sizes` are, lacks of `content`."""
    packages = frozenset(
        name
        for name, listing in content.packages.items()
        if state.files.get(name) != Kept(size=listing.size, sha256=listing.sha256, gone=_gone(state, name))
        or sizes.get(name) != listing.size
    )
    others = state.signers != content.signers
    signatures = tuple(
        name for name in content.packages if others or name in packages or f"{name}{SIGNATURE}" not in sizes
    )
    there = state.snapshot == content.number and all(
        sizes.get(f"{INDEXES}/{state.served}/{name}") == len(its.data)
        for name, its in content.indexes.items()
    )
    return Lack(packages, signatures, others or not there)


def batches(content: Content, lacking: Lack) -> Iterator[list[str]]:
    """Packages of which something is to be sent, a manageable number and size of them at a time."""
    batch: list[str] = []
    size = 0
    for name in lacking.signatures:
        batch.append(name)
        size += content.packages[name].size if name in lacking.packages else 0
        if len(batch) == _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def announced(state: State, content: Content, lacking: Lack) -> State:
    """The state while packages are on their way."""
    pending = {
        name: Kept(size=it.size, sha256=it.sha256, pending=True)
        for name, it in content.packages.items()
        if name in lacking.packages
    }
    return msgspec.structs.replace(state, files={**state.files, **pending})


def completed(state: State, content: Content, now: datetime) -> State:
    """The state once all of `content` is there and served; its index bears a time later than the last one's."""
    kept = {name: Kept(size=it.size, sha256=it.sha256) for name, it in content.packages.items()}
    gone = {
        name: msgspec.structs.replace(it, gone=it.gone or now)
        for name, it in state.files.items()
        if name not in kept
    }
    stands = max(int(it.modified_at.timestamp()) for it in content.indexes.values())
    # pacman ignores an index that is not newer than its own, also where an older snapshot is exported on purpose.
    modified = max(stands, state.modified + 1)
    return State(
        repository=content.repository,
        snapshot=content.number,
        served=f"{content.number}-{modified}",
        modified=modified,
        signers=content.signers,
        files={**gone, **kept},
    )


def over(state: State, now: datetime, grace: timedelta) -> list[str]:
    """Packages that have been listed no more for the whole `grace`."""
    return [name for name, it in state.files.items() if it.gone is not None and it.gone <= now - grace]


def outdated(sizes: Mapping[str, int], *served: str) -> list[str]:
    """Files of indexes other than `served`."""
    return [name for name in sizes if name.startswith(f"{INDEXES}/") and name.split("/")[1] not in served]


def _gone(state: State, name: str) -> datetime | None:
    """A package that is listed again is as good as ever."""
    return state.files[name].gone if name in state.files else None
