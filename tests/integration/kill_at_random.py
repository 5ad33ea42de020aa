"""Publishes, promotes, rolls back and cleans in processes that are killed at random moments, one after the other.

Run with an empty folder, a seed and how many kills there are to be; prints one line of JSON for every kill, and one for
what is left in the end. All of them work on one data folder. What they do follows from the seed, and when they are
killed from the seed and from how long the same took before.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from quarters.protocol.resources import RepositoryChange
from quarters.storage.database import Database
from tests.integration.lives import NAMES, REPOSITORIES, Life
from tests.press import NOON, Press, package

Say = Callable[[Any], None]

_AT_MOST = 2
"""Operations of one process until it is killed."""


@contextlib.asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[Press]:
    database = Database(f"sqlite:///{folder / 'quarters.db'}")
    await database.open()
    try:
        yield Press(database, folder)
    finally:
        await database.close()


async def _prepare(folder: Path) -> None:
    async with _opened(folder) as press:
        for name in REPOSITORIES:
            await press.repository(name)
            await press.repositories.change(name, RepositoryChange(keep_versions=2))
        for name in NAMES[:3]:
            await press.upload(package(name, "0.1-1"))
        await press.swap.tidied()
        (folder / "public.asc").write_text(press.keys.public())


async def _live(folder: Path, seed: str, operations: int, say: Say) -> None:
    """Say what is there, and then before and after each of so many operations that it comes; wait to be killed."""
    async with _opened(folder) as press:
        life = Life(press, seed)
        press.clock.at = NOON + timedelta(hours=12 * int(seed.rpartition("/")[2]))
        say(await life.recovered())
        for _ in range(operations):
            operation = await life.next()
            say([operation.kind, await life.content(), operation.after])
            await operation.work()
            say("done")
        signal.pause()


async def _last(folder: Path, seed: str, say: Say) -> None:
    async with _opened(folder) as press:
        press.clock.at = NOON + timedelta(hours=12 * int(seed.rpartition("/")[2]))
        life = Life(press, seed)
        say(await life.recovered())
        say(await life.left())


class Reaper:
    """Starts the lives and ends them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self._chance = random.Random(seed)
        self._lives = 0
        self._usual: dict[str, float] = {}
        """Seconds that each kind of operation took when it came to its end last."""

    def life(self) -> dict[str, Any]:
        """Let one live and kill it; what it found, and what it was doing."""
        self._lives += 1
        operations = self._chance.randint(1, _AT_MOST)
        moment = self._chance.uniform(0, 0.9)
        child, said = self._forked(lambda say: _live(self._folder, self._name, operations, say))
        try:
            found = next(said)
            for _ in range(operations - 1):
                kind, *_ = next(said)
                began = time.monotonic()
                next(said)
                self._usual[kind] = time.monotonic() - began
            kind, before, after = next(said)
            time.sleep(moment * self._usual.get(kind, 0.02))
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        return {"found": found, "kind": kind, "before": before, "after": after, "done": any(said)}

    def last(self) -> tuple[Any, Any]:
        """What is there after the last kill, and what is left of it all."""
        self._lives += 1
        child, said = self._forked(lambda say: _last(self._folder, self._name, say))
        found, left = next(said), next(said)
        os.waitpid(child, 0)
        return found, left

    @property
    def _name(self) -> str:
        return f"{self._seed}/{self._lives}"

    def _forked(self, work: Callable[[Say], Any]) -> tuple[int, Any]:
        """A process, and what it says."""
        reading, writing = os.pipe()
        child = os.fork()
        if child:
            os.close(writing)
            return child, map(json.loads, os.fdopen(reading))
        try:
            os.close(reading)
            asyncio.run(work(lambda word: _write(writing, word)))
        except Exception:
            traceback.print_exc()
            raise
        finally:
            os._exit(1)


def _write(pipe: int, word: Any) -> None:
    os.write(pipe, json.dumps(word).encode() + b"\n")


def main(folder: Path, seed: int, kills: int) -> None:
    """Kill that often in the midst of something; those that came too late are told as well."""
    asyncio.run(_prepare(folder))  # here, so that every life finds all of it imported
    dearmor = ["gpg", "--homedir", str(folder), "--output", f"{folder}/public.gpg", "--dearmor"]
    subprocess.run([*dearmor, f"{folder}/public.asc"], check=True, capture_output=True)
    reaper = Reaper(folder, seed)
    while kills:
        told = reaper.life()
        kills -= not told["done"]
        print(json.dumps(told), flush=True)
    for told in reaper.last():
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
