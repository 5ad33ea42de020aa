"""A bucket of S3-compatible storage, which knows neither links nor changes of several objects at once."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from quarters.model.errors import Invalid, TargetUnusable
from quarters.transfer.crew import each
from quarters.transfer.targets.target import INDEXES, SIGNATURE, STATE, State, decoded, encoded, foreign

if TYPE_CHECKING:
    from obstore import UpdateVersion

_AT_ONCE = 8
_PAGE = 1000
_TYPES = {SIGNATURE: "application/pgp-signature", ".json": "application/json", ".zst": "application/zstd"}
_ASK_AGAIN = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"


class Bucket:
    """Puts objects; where and as whom, the usual variables say (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_REGION, …)."""

    def __init__(self, bucket: str, prefix: str, environ: Mapping[str, str]) -> None:
        if not bucket:
            raise Invalid("s3:// needs the name of a bucket, such as s3://bucket/prefix.")
        self._location = f"s3://{bucket}/{prefix}".rstrip("/")
        endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or ""
        self._store = S3Store(
            bucket,
            prefix=prefix or None,
            config={"endpoint": endpoint} if endpoint else None,
            client_options={"allow_http": endpoint.startswith("http://")},
        )
        self._incoming = Path()
        self._version: UpdateVersion | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Path]:
        """A folder for what is on its way; who notes something meanwhile is noticed by the version of the note."""
        with TemporaryDirectory(prefix="quarters-export-") as name:
            self._incoming = Path(name)
            with self._told():
                yield self._incoming

    async def state(self) -> State | None:
        """What is noted."""
        try:
            found = await obstore.get_async(self._store, STATE)
        except FileNotFoundError:
            if await self.sizes():
                raise foreign(self._location) from None
            return None
        self._version = _version(found.meta["e_tag"], found.meta["version"])
        return decoded(bytes(await found.bytes_async()), self._location)

    async def sizes(self) -> Mapping[str, int]:
        """The length of all objects."""
        found = {}
        async for page in obstore.list(self._store, chunk_size=_PAGE):
            found.update({it["path"]: it["size"] for it in page})
        return found

    async def put(self, names: Sequence[str]) -> None:
        """Put some at once; an object is seen whole or not at all."""
        await each(names, self._put, _AT_ONCE)

    async def serve(self, index: str, names: Collection[str]) -> None:
        """Copy the index to where clients look for it, each file and its signature at the same moment.

        Nothing makes that one step: a client that fetches the one before and the other after it is told of a bad
        signature, and is right the next time.
        """
        for name in names:
            if not name.endswith(SIGNATURE):
                pair = (name, f"{name}{SIGNATURE}")
                await asyncio.gather(
                    *(obstore.copy_async(self._store, f"{INDEXES}/{index}/{it}", it) for it in pair)
                )

    async def note(self, state: State) -> None:
        """Replace it if it is the one that was read; TargetUnusable if somebody else exports."""
        try:
            done = await obstore.put_async(
                self._store,
                STATE,
                encoded(state),
                attributes=_attributes(STATE),
                mode=self._version or "create",
                use_multipart=False,
            )
        except (AlreadyExistsError, PreconditionError):
            raise TargetUnusable(f"Another export to {self._location} is running.") from None
        self._version = _version(done["e_tag"], done["version"])

    async def remove(self, names: Collection[str]) -> None:
        """Remove objects."""
        await obstore.delete_async(self._store, sorted(names))

    async def _put(self, name: str) -> None:
        await obstore.put_async(self._store, name, self._incoming / name, attributes=_attributes(name))
        (self._incoming / name).unlink()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, FileNotFoundError, ValueError) as error:
            # The first line says what and where; the storage's answer in XML and the request's history follow.
            why = str(error).splitlines()[0].partition(": <")[0]
            raise TargetUnusable(f"{self._location} cannot be used: {why.rstrip('.')}.") from error


def _attributes(name: str) -> dict[str, str]:
    kept = _ASK_AGAIN if name == STATE or name.startswith(f"{INDEXES}/") else _FOR_EVER
    if name.endswith(SIGNATURE):
        kept = _ASK_AGAIN  # another key may sign
    return {
        "Content-Type": _TYPES.get(Path(name).suffix, "application/octet-stream"),
        "Cache-Control": kept,
    }


def _version(e_tag: str | None, version: str | None) -> "UpdateVersion | None":
    """What a conditional write names; obstore takes no empty values."""
    named: UpdateVersion = {}
    if e_tag is not None:
        named["e_tag"] = e_tag.strip('"')  # without quotes every server takes it, with them Ceph does not
    if version is not None:
        named["version"] = version
    return named or None
