"""Small things from the web: whole, bounded, and only when they changed."""

import aiohttp
import msgspec

from quarters.sources.errors import SourceUnreachable

_AGENT = "quarters"


class Page(msgspec.Struct, frozen=True):
    """What an address holds, with the validators that ask for it again only if it changes."""

    body: bytes
    etag: str = ""
    modified: str = ""


class Web:
    """Reads addresses, through `proxy` or the one that the environment names; `timeout` is in seconds, for each of them."""

    def __init__(self, timeout: float, proxy: str = "") -> None:
        self._proxy = proxy
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def get(self, url: str, limit: int, etag: str = "", modified: str = "") -> Page | None:
        """What `url` holds, None if that is what the validators stand for; SourceUnreachable past `limit` bytes."""
        conditions = {"If-None-Match": etag, "If-Modified-Since": modified}
        headers = {name: value for name, value in conditions.items() if value} | {"User-Agent": _AGENT}
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout, trust_env=True) as session,
                session.get(url, headers=headers, proxy=self._proxy or None) as answer,
            ):
                if answer.status == 304 and (etag or modified):
                    return None
                if answer.status != 200:
                    raise SourceUnreachable(f"{url} answers {answer.status} {answer.reason}.")
                body = bytearray()
                async for chunk in answer.content.iter_chunked(1 << 16):
                    body += chunk
                    if len(body) > limit:
                        raise SourceUnreachable(f"{url} holds more than {limit >> 10} KiB.")
                return Page(
                    bytes(body), answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")
                )
        except TimeoutError:
            raise SourceUnreachable(f"{url} did not answer in time.") from None
        except aiohttp.ClientError as error:
            raise SourceUnreachable(f"{url} cannot be read: {str(error).rstrip('.')}.") from None
