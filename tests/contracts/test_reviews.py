"""Rows of reviews and of maintainers: what every engine promises."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from quarters.model.errors import Conflict, NotFound
from quarters.model.forge import Forge, ForgeKind
from quarters.model.recipe import Origin, SourcedRecipe
from quarters.model.repository import Repository
from quarters.model.review import (
    Candidate,
    Level,
    Place,
    Policy,
    Review,
    ReviewState,
    Risk,
    RiskKind,
    Size,
    Verdict,
)
from quarters.model.source import Source
from quarters.sources.reviews import decide, propose, supersede, taken
from quarters.storage import forges, maintainers, recipes, repositories, reviews, sources
from quarters.storage.database import Database

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
POLICY = Policy(Level.MAJOR)


@pytest.fixture
async def store(database: Database) -> Database:
    await database.write(repositories.add, Repository(name="main"), NOW)
    for name in ("aur", "tree"):
        await database.write(
            sources.add, Source(name=name, kind="aur", location="/x", repository="main", automatic=False)
        )
    return database


def candidate(
    to: str = "new",
    path: str = "hello",
    source: str = "aur",
    size: Size = Size.MAJOR,
    maintainers: tuple[str, ...] = (),
) -> Candidate:
    return Candidate(
        source=source,
        path=path,
        place=Place.SOURCE,
        from_revision="1",
        from_fingerprint="old",
        to_revision="2",
        to_fingerprint=to,
        verdict=Verdict(size, (Risk(RiskKind.NETWORK, "PKGBUILD", 7, "It opens a connection."),)),
        maintainers=maintainers,
        author="Ada <ada@example.org>",
    )


async def proposed(
    database: Database, asked: Candidate, policy: Policy = POLICY, now: datetime = NOW
) -> Review | None:
    return await database.write(lambda connection: propose(connection, asked, policy, now))


async def decided(database: Database, number: int, *, approve: bool) -> Review:
    return await database.write(
        lambda connection: decide(connection, number, approve=approve, who="bob", note="so", now=NOW)
    )


async def states(database: Database) -> list[ReviewState]:
    return [review.state for review in (await database.read(reviews.listed))[::-1]]


async def test_a_change_that_waits_comes_back_as_it_was_proposed(store: Database) -> None:
    made = await proposed(store, candidate())
    assert made is not None
    assert (made.id, made.state, made.created_at) == (1, ReviewState.WAITING, NOW)
    assert made.verdict == candidate().verdict
    assert await store.read(reviews.get, 1) == made
    with pytest.raises(NotFound, match="no review 2"):
        await store.read(reviews.get, 2)


async def test_the_same_change_is_proposed_once_and_another_takes_its_place(store: Database) -> None:
    first = await proposed(store, candidate())
    assert await proposed(store, candidate(), now=NOW + timedelta(hours=1)) == first
    await proposed(store, candidate(path="other"))
    await proposed(store, candidate("newer"))
    assert await states(store) == [ReviewState.SUPERSEDED, ReviewState.WAITING, ReviewState.WAITING]


async def test_a_decision_holds_for_the_change_that_it_is_about(store: Database) -> None:
    await proposed(store, candidate())
    assert (await decided(store, 1, approve=False)).decided_by == "bob"
    again = await proposed(store, candidate())
    assert again is not None
    assert again.state is ReviewState.REJECTED
    await proposed(store, candidate("newer"))
    await decided(store, 2, approve=True)
    assert await proposed(store, candidate("newer")) is None
    with pytest.raises(Conflict, match="Review 2 is approved already"):
        await decided(store, 2, approve=False)


async def test_an_approved_change_is_unsettled_until_it_is_taken(store: Database) -> None:
    await proposed(store, candidate())
    await proposed(store, candidate(source="tree"))
    assert len(await store.read(reviews.unsettled, None, Place.SOURCE)) == 2
    await decided(store, 1, approve=True)
    assert [it.id for it in await store.read(reviews.unsettled, "aur", Place.SOURCE)] == [1]
    assert (await store.read(sources.get, "aur")).pending
    await store.write(taken, 1)
    assert await store.read(reviews.unsettled, "aur", Place.SOURCE) == []
    assert await store.read(reviews.unsettled, None, Place.UPSTREAM) == []


async def test_what_is_no_change_any_more_is_superseded(store: Database) -> None:
    await proposed(store, candidate())
    await proposed(store, candidate(path="other", to="kept"))
    await store.write(supersede, "aur", Place.SOURCE, {"kept"}, NOW)
    assert await states(store) == [ReviewState.SUPERSEDED, ReviewState.WAITING]


async def test_a_change_cools_down_from_when_it_was_first_seen(store: Database) -> None:
    policy = Policy(Level.MAJOR, cooldown=timedelta(hours=5))
    made = await proposed(store, candidate(size=Size.MINOR), policy)
    assert made is not None
    assert made.passes_at == NOW + timedelta(hours=5)
    late = NOW + timedelta(hours=4)
    assert await proposed(store, candidate(size=Size.MINOR), policy, late) == made
    assert await proposed(store, candidate(size=Size.MINOR), policy, late + timedelta(hours=1)) is None
    (review,) = await store.read(reviews.listed)
    assert (review.state, review.decided_by, review.taken) == (ReviewState.APPROVED, "policy", True)


async def test_a_new_maintainer_is_pointed_out_until_a_change_is_taken(store: Database) -> None:
    assert await proposed(store, candidate(size=Size.MINOR, maintainers=("ada",))) is None
    made = await proposed(store, candidate("newer", maintainers=("ada", "mallory")))
    assert made is not None
    assert [it.message.split()[0] for it in made.verdict.risks if it.kind is RiskKind.MAINTAINER] == [
        "mallory"
    ]
    await decided(store, made.id, approve=True)
    after = await proposed(store, candidate("newest", maintainers=("ada", "mallory")))
    assert after is not None
    assert RiskKind.MAINTAINER not in {it.kind for it in after.verdict.risks}


async def test_what_a_new_maintainer_changes_cools_down_from_when_they_came(store: Database) -> None:
    policy = Policy(Level.MAJOR, cooldown=timedelta(hours=5))
    await store.write(maintainers.note_all, "aur", {"hello": ("ada",)}, NOW)
    await store.write(maintainers.note_all, "aur", {"hello": ("ada",)}, NOW + timedelta(hours=1))
    first = await proposed(store, candidate(size=Size.MINOR, maintainers=("ada",)), policy)
    assert first is not None
    assert first.passes_at == NOW + timedelta(hours=5)
    later = NOW + timedelta(hours=3)
    second = await proposed(store, candidate(size=Size.MINOR, maintainers=("eve",)), policy, later)
    assert second is not None
    assert second.passes_at == later + timedelta(hours=5)


async def test_reviews_are_listed_the_newest_first(store: Database) -> None:
    for number in range(4):
        await proposed(store, candidate(path=f"p{number}", source="aur" if number % 2 else "tree"))
    await decided(store, 4, approve=False)
    assert [it.id for it in await store.read(reviews.listed)] == [4, 3, 2, 1]
    read = await store.read(reviews.listed, states=[ReviewState.WAITING], source="aur", before=3, limit=5)
    assert [it.id for it in read] == [2]


async def test_a_repository_knows_what_waits_by_pkgbase(store: Database) -> None:
    origin = Origin(source="aur", path="folder", revision="1", fingerprint="old")
    await store.write(recipes.put, [SourcedRecipe(pkgbase="hello", origin=origin, problem="x")])
    await proposed(store, candidate(path="folder"))
    await proposed(store, candidate(path="fresh"))
    assert await store.read(reviews.of_repository, "main") == {"hello": 1, "fresh": 2}
    await store.write(_disabled, "aur")
    assert await store.read(reviews.of_repository, "main") == {}


def _disabled(connection: Connection, name: str) -> None:
    sources.change(connection, name, enabled=False)


async def test_a_source_takes_its_reviews_and_its_forge_with_it(store: Database) -> None:
    await proposed(store, candidate(maintainers=("ada",)))
    place = Forge(kind=ForgeKind.GITLAB, url="https://gitlab.com", project="a/b")
    await store.write(forges.put, "aur", place, "old")
    await store.write(forges.put, "aur", place, "new")
    assert (await store.read(forges.get, "aur")).token == "new"
    await store.write(sources.remove, "aur")
    assert await store.read(reviews.listed) == []
    assert await store.read(forges.listed) == {}
    with pytest.raises(NotFound, match="shown at no forge"):
        await store.write(forges.remove, "aur")
