"""Simulated builders over real HTTP: `python -m benchmarks.builders PORT NAME BUILDERS BUILDS`, the token on standard input.

They claim a build, tell of a step, and say that it ended; nothing is built. What they do for that is as little as a
client can do, so that the server is what is measured. Prints one JSON object: see `Measured`.
"""

import asyncio
import sys
from datetime import UTC, datetime
from time import perf_counter, time
from typing import Any

import msgspec

from quarters.model.build import Outcome, Step, StepRecord
from quarters.protocol.builds import LEASE_HEADER, Assignment, ClaimReply, ClaimRequest, Finish, Heartbeat

_WAIT = 5.0


class Measured(msgspec.Struct, frozen=True):
    """Builds that came to their end; when this began and ended, in seconds since 1970; seconds that each claim took."""

    done: int
    began: float
    ended: float
    claims: list[float]


class Line:
    """One connection that is kept open."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n".encode()

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def post(self, path: str, message: Any, lease: str = "") -> bytes:
        """The body of the answer, which must be a good one."""
        body = msgspec.json.encode(message)
        more = f"{LEASE_HEADER}: {lease}\r\n" if lease else ""
        rest = f"{more}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(
            b"POST /api/v1/%b HTTP/1.1\r\n%b%b%b" % (path.encode(), self._head, rest.encode(), body)
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        if head[9:10] != b"2":
            raise RuntimeError(head.decode())
        _, found, rest_ = head.lower().partition(b"content-length: ")
        return await self._reader.readexactly(int(rest_[: rest_.index(b"\r")])) if found else b""


class Herd:
    """Builders that share a number of builds to do."""

    def __init__(self, port: int, token: str, builds: int) -> None:
        self._port = port
        self._token = token
        self._left = builds
        self._claims: list[float] = []
        self._done = 0

    async def run(self, names: list[str]) -> Measured:
        """Work until no builds are left."""
        lines = [Line(self._port, self._token) for _ in names]
        await asyncio.gather(*(line.open() for line in lines))
        began = time()
        await asyncio.gather(*(self._work(name, line) for name, line in zip(names, lines, strict=True)))
        return Measured(self._done, began, time(), self._claims)

    async def _work(self, name: str, line: Line) -> None:
        ask = ClaimRequest(builder=name, arches=("x86_64",), slots=1, free=1, wait=_WAIT)
        while self._left > 0:
            self._left -= 1
            asked = perf_counter()
            reply = msgspec.json.decode(await line.post("claims", ask), type=ClaimReply)
            self._claims.append(perf_counter() - asked)
            if not reply.assignments:
                raise RuntimeError(f"{name} was given nothing to build.")
            for one in reply.assignments:
                await _build(line, one)
                self._done += 1


async def _build(line: Line, one: Assignment) -> None:
    lease = f"{one.attempt}:{one.lease}"
    steps = (StepRecord(step=Step.ROOT, started_at=datetime.now(UTC)),)
    await line.post(f"builds/{one.build}/heartbeat", Heartbeat(steps=steps), lease)
    end = Finish(outcome=Outcome.SKIPPED, steps=steps, message="Nothing is built here.")
    await line.post(f"builds/{one.build}/finish", end, lease)


async def _main(port: str, name: str, builders: str, builds: str) -> None:
    token = sys.stdin.readline().strip()
    names = [f"{name}-{number}" for number in range(int(builders))]
    measured = await Herd(int(port), token, int(builds)).run(names)
    sys.stdout.buffer.write(msgspec.json.encode(measured))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
