"""Tokens on both databases."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select

from quarters.model.errors import Invalid, NotFound, Unauthenticated
from quarters.model.token import Scope, Token
from quarters.protocol.resources import NewToken
from quarters.server.tokens import Tokens
from quarters.storage import schema
from quarters.storage.database import Database


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(database: Database, clock: Clock) -> Tokens:
    return Tokens(database, clock)


async def only(tokens: Tokens) -> Token:
    (token,) = (await tokens.list(100, None)).items
    return token


async def test_the_secret_recognises_its_token_and_is_not_kept(tokens: Tokens, database: Database) -> None:
    made = await tokens.create(NewToken(name="ci", scope=Scope.PUBLISH))
    assert re.fullmatch(r"qt_[\w-]{43}", made.secret)
    found = await tokens.bearer(made.secret)
    assert (found.id, found.name, found.scope, found.expires_at) == (made.id, "ci", Scope.PUBLISH, None)

    def everything(connection: Connection) -> str:
        return str(connection.execute(select(schema.tokens)).all())

    kept = await database.read(everything)
    assert made.secret not in kept
    assert made.secret.removeprefix("qt_") not in kept


async def test_every_token_has_a_secret_of_its_own(tokens: Tokens) -> None:
    made = [await tokens.create(NewToken(name="ci", scope=Scope.READ)) for _ in range(3)]
    assert len({it.secret for it in made}) == 3
    assert [(await tokens.bearer(it.secret)).id for it in made] == [it.id for it in made]


async def test_a_token_expires_to_the_second(tokens: Tokens, clock: Clock) -> None:
    made = await tokens.create(NewToken(name="ci", scope=Scope.READ, days=30))
    clock.at += timedelta(days=30, microseconds=-1)
    await tokens.bearer(made.secret)
    clock.at += timedelta(microseconds=1)
    with pytest.raises(Unauthenticated, match="expired"):
        await tokens.bearer(made.secret)


async def test_a_revoked_token_stays_listed_and_works_no_more(tokens: Tokens, clock: Clock) -> None:
    made = await tokens.create(NewToken(name="ci", scope=Scope.READ))
    await tokens.revoke(made.id)
    since = clock.at
    clock.at += timedelta(days=1)
    await tokens.revoke(made.id)
    with pytest.raises(Unauthenticated, match="revoked"):
        await tokens.bearer(made.secret)
    assert (await only(tokens)).revoked_at == since


async def test_revoking_what_never_was_is_told(tokens: Tokens) -> None:
    with pytest.raises(NotFound):
        await tokens.revoke(7)


@pytest.mark.parametrize("guess", ["", "qt_", "qt_guess", "\x00", "é", "' OR 1=1 --"])
async def test_a_guess_is_no_token(tokens: Tokens, guess: str) -> None:
    await tokens.create(NewToken(name="ci", scope=Scope.READ))
    with pytest.raises(Unauthenticated):
        await tokens.bearer(guess)


@pytest.mark.parametrize(
    "new",
    [
        NewToken(name="", scope=Scope.READ),
        NewToken(name="a/b", scope=Scope.READ),
        NewToken(name="ci", scope=Scope.READ, days=0),
        NewToken(name="ci", scope=Scope.READ, days=-1),
        NewToken(name="ci", scope=Scope.READ, days=10**9),
    ],
)
async def test_a_token_without_a_fit_name_or_life_is_not_made(tokens: Tokens, new: NewToken) -> None:
    with pytest.raises(Invalid):
        await tokens.create(new)
    assert (await tokens.list(100, None)).items == ()


async def test_use_is_noted_once_a_minute(tokens: Tokens, clock: Clock) -> None:
    made = await tokens.create(NewToken(name="ci", scope=Scope.READ))
    assert (await only(tokens)).last_used_at is None
    first = clock.at
    await tokens.bearer(made.secret)
    clock.at += timedelta(seconds=59)
    await tokens.bearer(made.secret)
    assert (await only(tokens)).last_used_at == first
    clock.at += timedelta(seconds=1)
    await tokens.bearer(made.secret)
    assert (await only(tokens)).last_used_at == clock.at


async def test_tokens_are_listed_part_by_part(tokens: Tokens) -> None:
    for number in range(5):
        await tokens.create(NewToken(name=f"t{number}", scope=Scope.READ))
    names: list[str] = []
    cursor = None
    for _ in range(3):
        page = await tokens.list(2, cursor)
        names += [token.name for token in page.items]
        cursor = page.cursor
    assert (names, cursor) == (["t0", "t1", "t2", "t3", "t4"], None)


async def test_a_secret_is_adopted_while_it_works_and_replaced_when_not(tokens: Tokens) -> None:
    secret = await tokens.adopt("up", Scope.ADMIN, None)
    assert await tokens.adopt("up", Scope.ADMIN, secret) == secret
    await tokens.revoke((await tokens.bearer(secret)).id)
    other = await tokens.adopt("up", Scope.ADMIN, secret)
    assert other != secret
    assert (await tokens.bearer(other)).scope is Scope.ADMIN
    reader = await tokens.create(NewToken(name="r", scope=Scope.READ))
    assert await tokens.adopt("up", Scope.ADMIN, reader.secret) != reader.secret
