"""Packages that their builders signed, on both databases: verified against the keys that a repository trusts."""

from pathlib import Path

import pytest
from pysequoia import Sig, SignatureMode, Tsk, sign
from sqlalchemy import update

from quarters.model.build import Build, Reason, State
from quarters.model.repository import Repository
from quarters.protocol.resources import RepositoryChange
from quarters.publishing.signing import secrets, verification
from quarters.storage import packages
from quarters.storage.database import Database
from quarters.storage.schema import artifacts
from tests.press import Press, package, recipe

GREET = package("greet")


@pytest.fixture
async def press(database: Database, tmp_path: Path) -> Press:
    press = Press(database, tmp_path / "data")
    await press.repository()
    return press


@pytest.fixture(scope="module")
def builder() -> Tsk:
    return secrets.made("A builder", None)


async def trusting(press: Press, key: Tsk) -> Repository:
    return await press.trust.add("own", str(key.extract_certificate()), "ada")


async def delivered(press: Press, signature: bytes | None) -> Build:
    build = await press.delivered(recipe("greet"), GREET)
    chosen = update(artifacts).where(artifacts.c.build == build)
    await press.database.write(lambda it: it.execute(chosen.values(signature=signature)))
    await press.deliveries.publish_ready()
    return await press.build(build)


def signed(key: Tsk, content: bytes = GREET.content) -> bytes:
    return sign(key.signer(), content, mode=SignatureMode.DETACHED, armor=False)


async def test_a_builders_signature_by_a_trusted_key_is_kept_and_served_where_that_is_wished(
    press: Press, builder: Tsk
) -> None:
    await trusting(press, builder)
    await press.repositories.change("own", RepositoryChange(keep_signatures=True))
    signature = signed(builder)
    assert (await delivered(press, signature)).state is State.SUCCEEDED
    assert await press.shelf.signature("own", None, "x86_64", f"{GREET.file_name}.sig") == signature
    await press.repositories.change("own", RepositoryChange(keep_signatures=False))
    served = await press.shelf.signature("own", None, "x86_64", f"{GREET.file_name}.sig")
    key = verification.check(GREET.content, served, press.keys.trusted(), press.clock())
    assert key == press.keys.fingerprint
    assert (await press.inspector.check("own", repair=False, actor="ada")).findings == ()


async def test_a_builders_signature_by_a_strange_key_is_refused_and_the_key_named(
    press: Press, builder: Tsk
) -> None:
    stranger = secrets.made("Somebody", None)
    await trusting(press, builder)
    signature = signed(stranger)
    build = await delivered(press, signature)
    assert (build.state, build.reason) == (State.FAILED, Reason.SIGNATURE_UNTRUSTED)
    assert f"the key {str(Sig.from_bytes(signature).issuer_fingerprint).upper()}" in build.message
    assert "not trusted" in build.message
    assert GREET.file_name in build.message
    assert await press.listed() == {}


async def test_a_signature_of_something_else_is_refused(press: Press, builder: Tsk) -> None:
    await trusting(press, builder)
    build = await delivered(press, signed(builder, b"something else"))
    assert (build.state, build.reason) == (State.FAILED, Reason.SIGNATURE_UNTRUSTED)
    assert "not good" in build.message


async def test_unsigned_packages_of_builders_are_taken_unless_the_policy_says_otherwise(
    press: Press, builder: Tsk
) -> None:
    await trusting(press, builder)
    await press.repositories.change("own", RepositoryChange(require_builder_signature=True))
    refused = await delivered(press, None)
    assert (refused.state, refused.reason) == (State.FAILED, Reason.SIGNATURE_UNTRUSTED)
    assert "builder.signing_key" in refused.message
    await press.repositories.change(
        "own", RepositoryChange(require_builder_signature=False, require_signature=True)
    )
    assert (await delivered(press, None)).state is State.SUCCEEDED
    listed = await press.database.read(packages.get, "own", "x86_64", "greet")
    assert listed.build is not None
