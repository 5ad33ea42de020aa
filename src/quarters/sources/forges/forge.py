"""What every forge offers: a merge request is opened, looked at, and closed."""

from enum import StrEnum
from typing import Any, Protocol, TypeVar

import aiohttp
import msgspec
from yarl import URL

from quarters.sources.errors import SourceUnreachable

T = TypeVar("T")

_LARGEST = 4 << 20
_FOUND = 200


class Standing(StrEnum):
    """What became of a merge request."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A merge request to open: from `branch` into `base` of the same project; `text` is Markdown."""

    branch: str
    base: str
    title: str
    text: str
    assignee: str = ""


class MergeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A merge request as it is now; `by` is the account that merged it, "" where nobody did."""

    number: int
    url: str
    standing: Standing
    by: str = ""


class ForgeApi(Protocol):
    """One project at a forge. Every method raises SourceUnreachable, in a sentence, if the forge does not do it."""

    async def open(self, wish: Wish) -> MergeRequest:
        """Open a merge request; one that there is already for the branch is that one."""
        ...

    async def look(self, number: int) -> MergeRequest:
        """What became of it."""
        ...

    async def close(self, number: int) -> None:
        """Close it without merging."""
        ...


class Caller:
    """Speaks JSON with a forge, with its token in `headers`; each answer may take `timeout` seconds."""

    def __init__(self, base: str, headers: dict[str, str], timeout: float) -> None:
        self._base = base
        self._headers = headers | {"User-Agent": "quarters", "Accept": "application/json"}
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def call(self, method: str, path: str, kind: type[T], send: Any = None) -> T | None:
        """The answer as `kind`, None for 404; SourceUnreachable with the forge's own words for any other refusal."""
        url = URL(f"{self._base}{path}", encoded=True)
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout, trust_env=True) as session,
                session.request(method, url, json=send, headers=self._headers) as answer,
            ):
                body = await _whole(answer)
                if answer.status == 404:
                    return None
                if answer.status >= 400:
                    raise SourceUnreachable(f"{self._base} answers {answer.status}: {_words(body)}.")
                return msgspec.json.decode(body, type=kind)
        except TimeoutError:
            raise SourceUnreachable(f"{self._base} did not answer in time.") from None
        except aiohttp.ClientError as error:
            raise SourceUnreachable(f"{self._base} cannot be reached: {str(error).rstrip('.')}.") from None
        except msgspec.DecodeError:
            raise SourceUnreachable(f"{self._base} does not answer as a forge does.") from None

    async def told(self, method: str, path: str, kind: type[T], send: Any = None) -> T:
        """The answer, which has to be there."""
        answer = await self.call(method, path, kind, send)
        if answer is None:
            raise SourceUnreachable(
                f"{self._base} knows nothing at {path}; is the project right, and what the token may do?"
            )
        return answer


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > _LARGEST:
            raise SourceUnreachable(f"{answer.url} says more than {_LARGEST >> 20} MiB.")
    return bytes(body)


def _words(body: bytes) -> str:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        found = body.decode(errors="replace")
    message = found.get("message", found.get("error", "")) if isinstance(found, dict) else found
    words = "".join(it for it in str(message) if it.isprintable())
    return words[:_FOUND].rstrip(".") or "nothing"
