"""Where branches of git repositories stand, asked for without git wherever HTTP will do."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from urllib.parse import urlsplit

import aiohttp

from quarters.model.errors import QuartersError
from quarters.sources.errors import SourceUnreachable
from quarters.sources.git import Git

HEAD = "HEAD"
_AT_ONCE = 64
_OF_ONE_HOST = 8
_BY_GIT = 4
_MOST = 64 << 20
_ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
# Some forges answer programs that look like git alone.
_AGENT = "git/2.47 (quarters)"

Stands = Mapping[str, str]
"""Commits by ref, those of the refs that exist."""


class Refs:
    """Asks repositories for their refs; `timeout` is in seconds, for each of them."""

    def __init__(self, git: Git, timeout: float) -> None:
        self._git = git
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._by_git = asyncio.Semaphore(_BY_GIT)
        self._hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(_OF_ONE_HOST)
        )

    async def of(self, wanted: Mapping[str, Collection[str]]) -> dict[str, Stands | SourceUnreachable]:
        """The commits of the `wanted` refs (HEAD, or whole names), by repository; or why they cannot be told."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(
            timeout=self._timeout, trust_env=True, connector=connector, headers={"User-Agent": _AGENT}
        ) as session:
            found = await asyncio.gather(*(self._asked(session, url, refs) for url, refs in wanted.items()))
        return dict(zip(wanted, found, strict=True))

    async def _asked(
        self, session: aiohttp.ClientSession, url: str, refs: Collection[str]
    ) -> Stands | SourceUnreachable:
        parts = urlsplit(url)
        try:
            if parts.scheme not in ("http", "https"):
                async with self._by_git:
                    return await self._listed(url, refs)
            # Whoever waits for others of the same host keeps nobody else from asking.
            async with self._hosts[parts.netloc], self._turn:
                return await _advertised(session, url.rstrip("/"), refs)
        except QuartersError as error:
            return SourceUnreachable(f"{url}: {error}")
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            return SourceUnreachable(f"{url} cannot be read: {str(error).rstrip('.') or 'it took too long'}.")

    async def _listed(self, url: str, refs: Collection[str]) -> Stands:
        printed = await self._git.run("ls-remote", "--", url, *refs, limit=_MOST)
        lines = (line.partition("\t") for line in printed.decode(errors="replace").splitlines())
        return {ref: commit for commit, _, ref in lines if ref in refs}


async def _advertised(session: aiohttp.ClientSession, url: str, refs: Collection[str]) -> Stands:
    """Read the answer no further than the last ref that is wanted: HEAD is the first, the others are sorted."""
    found: dict[str, str] = {}
    async with session.get(f"{url}/info/refs", params={"service": "git-upload-pack"}) as answer:
        if answer.status != 200:
            raise SourceUnreachable(f"It answers {answer.status} {answer.reason}.")
        smart = answer.content_type == _ADVERTISEMENT
        async for commit, ref in _packets(answer.content) if smart else _lines(answer.content):
            if ref in refs:
                found[ref] = commit
            if len(found) == len(refs) or (smart and ref != HEAD and ref > max(refs)):
                break
    if HEAD in refs and not smart:
        found |= await _head(session, url)
    return found


async def _head(session: aiohttp.ClientSession, url: str) -> Stands:
    """What a server of mere files stands at: a file that names a branch, which is asked for then, or a commit."""
    async with session.get(f"{url}/{HEAD}") as answer:
        answer.raise_for_status()
        told = (await answer.content.read(4096)).decode(errors="replace").strip()
    if not told.startswith("ref: "):
        return {HEAD: told}
    branch = told.removeprefix("ref: ")
    async with session.get(f"{url}/info/refs") as answer:
        answer.raise_for_status()
        async for commit, ref in _lines(answer.content):
            if ref == branch:
                return {HEAD: commit}
    return {}


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[tuple[str, str]]:
    """The refs that a server of mere files has (gitprotocol-http(5), "Dumb Server Response")."""
    read = 0
    async for line in content:
        read += len(line)
        if read > _MOST:
            raise SourceUnreachable("It names too many refs.")
        commit, _, ref = line.decode(errors="replace").rstrip("\n").partition("\t")
        yield commit, ref


async def _packets(content: aiohttp.StreamReader) -> AsyncIterator[tuple[str, str]]:
    """The refs that git's server has (gitprotocol-http(5), "Smart Server Response")."""
    read = 0
    while read < _MOST:
        try:
            size = int(await content.readexactly(4), 16)
            data = await content.readexactly(max(0, size - 4))
        except asyncio.IncompleteReadError:
            return
        read += size
        line = data.partition(b"\0")[0].decode(errors="replace").strip()
        commit, _, ref = line.partition(" ")
        if ref and not line.startswith("#"):
            yield commit, ref
    raise SourceUnreachable("It names too many refs.")
