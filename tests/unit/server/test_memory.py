"""How long a look-up is remembered."""

from quarters.server.files import memory
from quarters.server.files.memory import Memory
from quarters.storage.wakeups import Topic, Wakeups


class Rows:
    """Which snapshot is served, what looking up brings, and how often either was asked for; with a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.served = {"own": 1}
        self.looked_up = 0
        self.wakeups = Wakeups()
        self.memory: Memory[int] = Memory(self.currents, self.wakeups, lambda: self.now)

    async def currents(self) -> dict[str, int]:
        return dict(self.served)

    async def look_up(self) -> int:
        self.looked_up += 1
        return self.served["own"]

    async def found(self) -> int:
        known = self.memory.recall(b"it")
        return await self.memory.find(b"it", self.look_up) if known is None else known


async def test_what_was_looked_up_is_known_the_next_time() -> None:
    rows = Rows()
    assert [await rows.found() for _ in range(5)] == [1] * 5
    assert rows.looked_up == 1


async def test_a_publish_of_this_process_is_seen_at_once() -> None:
    rows = Rows()
    await rows.found()
    rows.served["own"] = 2
    rows.wakeups.notify(Topic.SERVED)
    assert await rows.found() == 2


async def test_a_publish_of_another_process_is_seen_within_a_second() -> None:
    rows = Rows()
    await rows.found()
    rows.served["own"] = 2
    rows.now = 0.9
    assert await rows.found() == 1
    rows.now = 1.0
    assert await rows.found() == 2


async def test_nothing_is_looked_up_again_as_long_as_the_same_snapshots_are_served() -> None:
    rows = Rows()
    for second in range(50):
        rows.now = float(second)
        await rows.found()
    assert rows.looked_up == 1


async def test_a_minute_later_everything_is_looked_up_again() -> None:
    rows = Rows()
    for rows.now in (0.0, 59.0, 60.0):
        await rows.found()
    assert rows.looked_up == 2


async def test_what_was_found_during_a_publish_is_not_remembered() -> None:
    rows = Rows()

    async def overtaken() -> int:
        old = await rows.look_up()
        rows.served["own"] = 2
        rows.wakeups.notify(Topic.SERVED)
        await rows.memory.find(b"other", rows.look_up)
        return old

    assert await rows.memory.find(b"it", overtaken) == 1
    assert await rows.found() == 2


async def test_no_more_is_remembered_than_there_is_room_for() -> None:
    rows = Rows()
    first, last = b"0", b"%d" % memory.ROOM
    for number in range(memory.ROOM + 1):
        await rows.memory.find(b"%d" % number, rows.look_up)
    assert rows.memory.recall(first) is None
    assert rows.memory.recall(last) == 1
