"""What has to be true once every build is over, whatever happened meanwhile."""

import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Mapping

import aiohttp
from sqlalchemy import Connection, select

from quarters.model.build import Build, State
from quarters.protocol.client import Client
from quarters.protocol.resources import BuildFilter
from quarters.storage.database import Database
from quarters.storage.schema import attempts, builds, entries
from tests.system.crew import Chronicle
from tests.system.farm import REPOSITORY, Farm


async def everything_is_in_order(
    farm: Farm, admin: Client, chronicle: Chronicle, needs: Mapping[str, str]
) -> None:
    """Every build of `needs` (by name, what it needs) succeeded and was published once, in order; nothing is left over."""
    found = await _builds(admin)
    assert {build.state for build in found} == {State.SUCCEEDED}
    assert sorted(build.pkgbase for build in found) == sorted(needs)
    _each_succeeded_once_and_after_what_it_needs(chronicle, needs)
    await _the_index_names_each_package_once_and_serves_what_it_promises(farm, sorted(needs))
    assert "nothing wrong" in farm.run("check")
    assert [builder.running for builder in (await admin.builders.list()).items if builder.running] == []
    await _no_lease_and_no_upload_is_left(farm)


async def _builds(admin: Client) -> list[Build]:
    found: list[Build] = []
    cursor: str | None = None
    while True:
        page = await admin.builds.list(BuildFilter(), limit=200, cursor=cursor)
        found += page.items
        if (cursor := page.cursor) is None:
            return found


def _each_succeeded_once_and_after_what_it_needs(chronicle: Chronicle, needs: Mapping[str, str]) -> None:
    assert Counter(it.data["pkgbase"] for it in chronicle.told("build.succeeded")) == Counter(needs.keys())
    done = {it.data["pkgbase"]: it.id for it in chronicle.told("build.succeeded")}
    for begun in chronicle.told("build.running"):
        needed = needs[str(begun.data["pkgbase"])]
        assert not needed or done[needed] < begun.id, f"{begun.data} was given out before {needed}"


async def _the_index_names_each_package_once_and_serves_what_it_promises(
    farm: Farm, names: list[str]
) -> None:
    below = f"{farm.url}/repo/{REPOSITORY}/x86_64"
    async with aiohttp.ClientSession() as session:

        async def fetched(name: str) -> bytes:
            async with session.get(f"{below}/{name}") as answer:
                assert answer.status == 200, name
                return await answer.read()

        with tarfile.open(fileobj=io.BytesIO(await fetched(f"{REPOSITORY}.db"))) as index:
            texts = [
                (index.extractfile(it) or io.BytesIO()).read().decode()
                for it in index.getmembers()
                if it.name.endswith("/desc")
            ]
        listed = [dict(zip(lines[::3], lines[1::3], strict=False)) for lines in map(str.splitlines, texts)]
        assert sorted(it["%NAME%"] for it in listed) == names
        for it in listed:
            assert hashlib.sha256(await fetched(it["%FILENAME%"])).hexdigest() == it["%SHA256SUM%"]


async def _no_lease_and_no_upload_is_left(farm: Farm) -> None:
    def left(connection: Connection) -> tuple[int, int, list[str]]:
        leased = select(builds.c.id).where(builds.c.lease_expires_at.is_not(None))
        open_ = select(attempts.c.build).where((attempts.c.outcome == "") | attempts.c.ended_at.is_(None))
        listed = connection.execute(select(entries.c.name)).scalars()
        return len(connection.execute(leased).all()), len(connection.execute(open_).all()), list(listed)

    database = Database(
        farm.environ.get("QUARTERS_STORAGE__DATABASE") or f"sqlite:///{farm.data / 'quarters.db'}"
    )
    await database.open(upgrade=False)
    leased, unended, published = await database.read(left)
    await database.close()
    assert (leased, unended) == (0, 0)
    assert max(Counter(published).values()) == 1  # an entry for every time that a name was published
