"""Works on one build that was handed over, in whichever of the machine's folders nobody uses, and ends."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec

from quarters.builder.bench import Bench
from quarters.builder.cleanup import to_the_end
from quarters.builder.data_lock import locked
from quarters.builder.hold import Hold
from quarters.builder.last_word import HANDED_BACK, failed, say
from quarters.builder.server import Server
from quarters.builder.settings import BuilderSettings
from quarters.model.errors import DataFolderBusy, LeaseLost, QuartersError
from quarters.protocol.builds import Assignment, Heartbeat

_MOST = 1024


@contextmanager
def in_a_folder(settings: BuilderSettings) -> Iterator[BuilderSettings]:
    """`settings` with a folder below `data` that is this process's alone, and users that no neighbour has.

    Caches stay there for the next one.
    """
    with ExitStack() as held:
        for number in range(_MOST):
            folder = Path(settings.data, f"once-{number}")
            with suppress(DataFolderBusy):
                held.enter_context(locked(folder))
                break
        else:
            raise DataFolderBusy(f"{_MOST} builds run in {settings.data} already.")
        yield msgspec.structs.replace(settings, data=folder, first_uid=settings.first_uid + number)


async def run(assignment: Assignment, settings: BuilderSettings, server: Server, bench: Bench) -> None:
    """Build; raises what kept the server from hearing how that ended."""
    hold = Hold(server, assignment, settings.patience)
    alive = asyncio.create_task(_keep(hold))
    try:
        await bench.start()
        if alive.done():
            alive.result()
        for deliver in bench.left():
            await deliver(0)
    except asyncio.CancelledError:
        await to_the_end(say(hold, HANDED_BACK))
        raise
    except QuartersError as error:
        if (finish := failed(error)) is not None:
            await say(hold, finish)
        raise
    finally:
        alive.cancel()
        await asyncio.gather(alive, return_exceptions=True)
    try:
        await bench.attempt(0, hold.assignment)
    finally:
        await bench.close()


async def _keep(hold: Hold) -> None:
    """Renew the lease while the machine is made ready, which may take long where its root has to be made."""
    while True:
        reply = await hold.ask(
            lambda key: hold.server.heartbeat(key, Heartbeat()), longest=hold.assignment.heartbeat
        )
        if reply.cancel:
            raise LeaseLost("The server ended the build.")
        await asyncio.sleep(hold.assignment.heartbeat)
