"""The API over a real connection: what it answers, whom it lets in, and how it takes nonsense."""

import asyncio
import io
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import Connection, update
from yarl import URL

from quarters.model.build import Outcome, Reason, State
from quarters.model.errors import (
    ConfigInvalid,
    Conflict,
    Forbidden,
    Invalid,
    LeaseLost,
    NotFound,
    PackageInvalid,
    PortInUse,
    ServerUnreachable,
    Unauthenticated,
)
from quarters.model.token import Scope
from quarters.protocol.builds import LEASE_HEADER, ArtifactDigest, ClaimRequest, Finish, Heartbeat, LeaseKey
from quarters.protocol.client import Client
from quarters.protocol.resources import BuildFilter, BuildRequest, NewRepository, NewToken
from quarters.protocol.snapshots import Promotion
from quarters.protocol.streams import LogEnd, LogText
from quarters.server import run
from quarters.server.app import create_app
from quarters.server.settings import ServerSettings
from quarters.storage.schema import repositories
from tests.press import package
from tests.serving import Running, running


def written(folder: Path, name: str, version: str = "1.0-1") -> Path:
    made = package(name, version)
    path = folder / made.file_name
    path.write_bytes(made.content)
    return path


async def test_a_repository_is_created_shown_listed_and_deleted(server: Running) -> None:
    made = await server.admin.repositories.create(NewRepository(name="extra", arches=("x86_64", "aarch64")))
    assert made.snapshot is not None
    assert (await server.admin.repositories.show("extra")).arches == ("x86_64", "aarch64")
    page = await server.admin.repositories.list(limit=1)
    assert [it.name for it in page.items] == ["extra"]
    assert [it.name for it in (await server.admin.repositories.list(cursor=page.cursor)).items] == ["own"]
    with pytest.raises(Conflict):
        await server.admin.repositories.create(NewRepository(name="extra"))
    await server.admin.repositories.delete("extra")
    with pytest.raises(NotFound, match="extra"):
        await server.admin.repositories.show("extra")


async def test_an_uploaded_package_is_listed_promoted_rolled_back_and_removed(
    server: Running, tmp_path: Path
) -> None:
    own, snapshots = server.admin.repositories, server.admin.snapshots
    view = await own.publish("own", written(tmp_path, "libstdc++", "1:2.0+r3-1"))
    assert (view.name, view.version) == ("libstdc++", "1:2.0+r3-1")
    assert (await own.package("own", "x86_64", "libstdc++")).sha256 == view.sha256
    assert [it.name for it in (await own.packages("own", query="std")).items] == ["libstdc++"]
    await own.create(NewRepository(name="stable"))
    await snapshots.promote("own", Promotion(target="stable"))
    assert (await own.package("stable", "x86_64", "libstdc++")).sha256 == view.sha256
    await own.remove("own", "x86_64", "libstdc++")
    assert (await own.packages("own")).items == ()
    assert (await snapshots.rollback("own", view.snapshot)).packages == 1
    numbers = [it.number for it in (await snapshots.list("own")).items]
    assert numbers == sorted(numbers, reverse=True)


async def test_nothing_is_kept_of_an_upload_that_is_refused(server: Running, tmp_path: Path) -> None:
    path = written(tmp_path, "greet")
    reader = await server.create_token(Scope.READ)
    for secret, refusal in (("", Unauthenticated), ("qt_guess", Unauthenticated), (reader.secret, Forbidden)):
        async with server.client(secret) as client:
            with pytest.raises(refusal):
                await client.repositories.publish("own", path)
    broken = tmp_path / "broken-1.0-1-x86_64.pkg.tar.gz"
    broken.write_bytes(b"not a package")
    with pytest.raises(PackageInvalid):
        await server.admin.repositories.publish("own", broken)
    kept = [it for folder in ("incoming", "packages") for it in (server.press.folder / folder).rglob("*")]
    assert [it for it in kept if it.is_file()] == []
    assert (await server.admin.repositories.packages("own")).items == ()


async def test_an_upload_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, ServerSettings(port=0, shutdown_grace=1, max_upload=100)) as server:
        with pytest.raises(Invalid, match="Too Large"):
            await server.admin.repositories.publish("own", written(tmp_path, "greet"))


async def test_a_token_works_until_it_is_revoked_or_expires(server: Running) -> None:
    made = await server.admin.tokens.create(NewToken(name="ci", scope=Scope.ADMIN, days=1))
    async with server.client(made.secret) as client:
        assert [it.name for it in (await client.tokens.list()).items] == ["admin", "ci"]
        server.clock.at += timedelta(days=1)
        with pytest.raises(Unauthenticated, match="expired"):
            await client.tokens.list()
    made = await server.admin.tokens.create(NewToken(name="ci", scope=Scope.ADMIN))
    async with server.client(made.secret) as client:
        await client.tokens.revoke(made.id)
        with pytest.raises(Unauthenticated, match="revoked"):
            await client.tokens.list()
        with pytest.raises(Unauthenticated):
            await client.repositories.list()  # though reading is open


async def test_each_scope_opens_its_own_doors_only(server: Running, tmp_path: Path) -> None:
    build = await server.create_token(Scope.BUILD)
    async with server.client(build.secret) as client:
        with pytest.raises(NotFound):
            await client.builds.request(BuildRequest(packages=("nothing",)))
        with pytest.raises(Forbidden, match="publish"):
            await client.repositories.publish("own", written(tmp_path, "greet"))
        with pytest.raises(Forbidden, match="admin"):
            await client.tokens.list()
        with pytest.raises(Forbidden, match="builder"):
            await client.work.claim(claim("anvil"))


async def test_closed_reading_asks_for_a_token_except_for_files_keys_and_health(tmp_path: Path) -> None:
    settings = ServerSettings(port=0, shutdown_grace=1, open_reading=False)
    async with running(tmp_path, settings) as server:
        async with server.client() as stranger:
            with pytest.raises(Unauthenticated):
                await stranger.repositories.list()
            await stranger.ready()
            assert (await stranger.keys.list()).items
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{server.url}/repo/own/x86_64/own.db") as answer,
        ):
            assert answer.status == 200
        reader = await server.create_token(Scope.READ)
        async with server.client(reader.secret) as client:
            assert (await client.repositories.list()).items


def claim(builder: str, wait: float = 0) -> ClaimRequest:
    return ClaimRequest(builder=builder, arches=("x86_64",), slots=1, free=1, wait=wait)


async def appeared(server: Running, builder: str) -> None:
    """Return once a builder has asked for work."""
    async for happening in server.admin.events.follow(after=0):
        if happening.kind.startswith("builder.") and happening.subject == builder:
            return


async def test_a_builder_claims_only_under_its_own_name(server: Running) -> None:
    token = await server.create_token(Scope.BUILDER, "anvil")
    async with server.client(token.secret) as client:
        assert (await client.work.claim(claim("anvil"))).assignments == ()
        with pytest.raises(Forbidden, match="anvil"):
            await client.work.claim(claim("bellows"))


async def test_a_build_is_claimed_logged_uploaded_and_finished_over_http(
    server: Running, tmp_path: Path
) -> None:
    (build,) = await server.ready_builds("greet")
    token = await server.create_token(Scope.BUILDER, "anvil")
    made = package("greet", "1-1")
    path = tmp_path / made.file_name
    path.write_bytes(made.content)
    async with server.client(token.secret) as client:
        ((one,),) = [(await client.work.claim(claim("anvil"))).assignments]
        key = LeaseKey.of(one)
        assert (await client.work.heartbeat(key, Heartbeat())).cancel is False
        assert (await client.work.append_log(key, 0, b"==> one\n")).size == 8
        assert (await client.work.append_log(key, 4, b"one\ntwo\n")).size == 12
        assert (await client.work.log_received(key)).size == 12
        artifact = digest(path)
        assert (await client.work.artifact_received(key, artifact)).size == 0
        assert (await client.work.upload_artifact(key, artifact, path)).size == artifact.size
        assert (await client.work.artifact_received(key, artifact)).size == artifact.size
        finish = Finish(outcome=Outcome.BUILT, steps=(), version="1-1", artifacts=(artifact,))
        await client.work.finish(key, finish)
        await client.work.finish(key, finish)
        with pytest.raises(LeaseLost):
            await client.work.append_log(key, 12, b"late")
    await server.press.deliveries.publish_ready()
    assert (await server.admin.builds.show(build)).state is State.SUCCEEDED
    assert await server.admin.builds.log(build) == b"==> one\ntwo\n"
    assert await server.admin.builds.log(build, offset=8, attempt=1) == b"two\n"
    assert await server.admin.builds.log(build, offset=99) == b""
    assert (await server.admin.repositories.package("own", "x86_64", "greet")).build == build


def digest(path: Path) -> ArtifactDigest:
    content = path.read_bytes()
    return ArtifactDigest(path.name, len(content), sha256(content).hexdigest())


async def test_a_wrong_lease_is_refused_before_the_file_is_sent(server: Running, tmp_path: Path) -> None:
    (build,) = await server.ready_builds("greet")
    path = tmp_path / "greet-1-1-x86_64.pkg.tar.gz"
    with path.open("wb") as file:
        file.truncate(200 << 20)
    artifact = ArtifactDigest(path.name, 200 << 20, "0" * 64)
    with pytest.raises(LeaseLost):
        await server.admin.work.upload_artifact(LeaseKey(build, 1, "guess"), artifact, path)
    assert not list((server.press.folder / "incoming").rglob("*.pkg*"))


async def test_an_upload_that_broke_is_taken_up_where_it_stopped(server: Running, tmp_path: Path) -> None:
    await server.ready_builds("greet")
    work = server.admin.work
    ((one,),) = [(await work.claim(claim("anvil"))).assignments]
    key = LeaseKey.of(one)
    path = tmp_path / "greet-1-1-x86_64.pkg.tar.gz"
    path.write_bytes(os.urandom(5 << 20))
    artifact = digest(path)

    async def half() -> AsyncIterator[bytes]:
        yield path.read_bytes()[: 3 << 20]
        raise OSError("the cable was pulled")

    url = f"{server.url}/api/v1/builds/{one.build}/artifacts/{path.name}"
    headers = {"Authorization": f"Bearer {server.token}", LEASE_HEADER: key.header()}
    asked: dict[str, str | int] = {"size": artifact.size, "sha256": artifact.sha256}
    async with aiohttp.ClientSession(headers=headers) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.put(url, params=asked, data=half())
    async with asyncio.timeout(10):
        while (there := await work.artifact_received(key, artifact)).size < 2 << 20:
            pass
    assert (await work.upload_artifact(key, artifact, path, there.size)).size == artifact.size


async def test_a_taken_port_is_told_with_what_to_do(server: Running) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(PortInUse, match=f"{port}.*QUARTERS_SERVER__PORT"):
        run.listen(ServerSettings(port=port))


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_a_place_where_nothing_can_listen_is_told(host: str) -> None:
    with pytest.raises(ConfigInvalid, match=host):
        run.listen(ServerSettings(host=host, port=0))


async def test_a_claim_waits_for_work_and_gets_it_at_once(server: Running) -> None:
    waiting = asyncio.create_task(server.admin.work.claim(claim("anvil", wait=30)))
    await appeared(server, "anvil")
    (build,) = await server.ready_builds("greet")
    async with asyncio.timeout(5):
        assert [it.build for it in (await waiting).assignments] == [build]


async def test_builds_are_listed_by_what_is_asked_for(server: Running) -> None:
    numbers = await server.ready_builds("alpha", "beta", "gamma")
    builds = server.admin.builds
    page = await builds.list(limit=2)
    rest = await builds.list(limit=2, cursor=page.cursor)
    assert [it.id for it in (*page.items, *rest.items)] == sorted(numbers, reverse=True)
    assert rest.cursor is None
    assert [it.pkgbase for it in (await builds.list(BuildFilter(pkgbase="beta"))).items] == ["beta"]
    assert (await builds.list(BuildFilter(state=State.FAILED))).items == ()
    assert (await builds.list(BuildFilter(reason=Reason.DISK_FULL))).items == ()
    since = server.clock.at + timedelta(seconds=1)
    assert (await builds.list(BuildFilter(since=since))).items == ()


async def test_a_followed_log_goes_over_attempts_to_the_end(server: Running) -> None:
    (build,) = await server.ready_builds("greet")
    work = server.admin.work
    followed: asyncio.Queue[LogText | LogEnd] = asyncio.Queue()

    async def follow() -> None:
        async for part in server.admin.builds.follow_log(build):
            await followed.put(part)

    following = asyncio.create_task(follow())
    ((one,),) = [(await work.claim(claim("anvil"))).assignments]
    await work.append_log(LeaseKey.of(one), 0, b"first\nwith\rreturns\nand a begin")
    assert await followed.get() == LogText(1, 19, "first\nwith\nreturns\n")
    await work.append_log(LeaseKey.of(one), 30, b"ning\n")
    assert await followed.get() == LogText(1, 35, "and a beginning\n")
    finish = Finish(outcome=Outcome.FAILED, steps=(), reason=Reason.SOURCE_UNAVAILABLE)
    await work.finish(LeaseKey.of(one), finish)
    server.clock.at += timedelta(hours=1)
    ((two,),) = [(await work.claim(claim("bellows"))).assignments]
    await work.append_log(LeaseKey.of(two), 0, b"\xff again, unended")
    await server.admin.builds.cancel(build)
    assert await followed.get() == LogText(2, 16, "\ufffd again, unended")
    assert await followed.get() == LogEnd(State.CANCELLED)
    await following
    resumed = [part async for part in server.admin.builds.follow_log(build, attempt=2, offset=2)]
    assert resumed == [LogText(2, 16, "again, unended"), LogEnd(State.CANCELLED)]


async def test_events_are_followed_from_where_they_were_left(server: Running) -> None:
    first = []
    async for happening in server.admin.events.follow(after=0):
        first.append(happening)
        if happening.kind == "snapshot.published":
            break
    await server.admin.repositories.create(NewRepository(name="extra"))
    async for happening in server.admin.events.follow(after=first[-1].id):
        assert happening.id == first[-1].id + 1
        assert happening.subject == "extra"
        break


async def test_a_follower_misses_nothing_while_the_server_restarts(tmp_path: Path) -> None:
    async with asyncio.timeout(20), running(tmp_path) as server:
        port = int(server.url.rpartition(":")[2])
        following = server.client()
        happenings = following.events.follow(after=0)
        first = await anext(happenings)
        server.stop.set()
        await server.serving
        # What happens while nobody listens is told afterwards.
        await server.services.repositories.create(NewRepository(name="extra"), "anna")
        settings = ServerSettings(port=port, shutdown_grace=1)
        stop = asyncio.Event()
        again = asyncio.create_task(
            run.serve(create_app(server.services, settings), settings, run.listen(settings), stop)
        )
        seen = [first.id]
        async for happening in happenings:
            seen.append(happening.id)
            if happening.subject == "extra" and happening.kind == "snapshot.published":
                break
        stop.set()
        await again
        await happenings.aclose()  # type: ignore[attr-defined]
        await following.close()
    assert seen == list(range(1, len(seen) + 1))


async def test_following_events_begins_now_and_ends_with_the_server(server: Running) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/api/v1/events") as answer:
        assert answer.content_type == "text/event-stream"
        await answer.content.readuntil(b"\n\n")
        await server.admin.repositories.create(NewRepository(name="extra"))
        assert b"extra" in await answer.content.readuntil(b"\n\n")
        waiting = asyncio.create_task(server.admin.work.claim(claim("anvil", wait=60)))
        await appeared(server, "anvil")
        server.stop.set()
        async with asyncio.timeout(0.9):  # without waiting for the grace to pass
            await answer.content.read()
            assert (await waiting).assignments == ()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/nothing", b"", 404),
        ("GET", "/nothing", b"", 404),
        ("PUT", "/api/v1/builds", b"", 405),
        ("POST", "/api/v1/repositories", b"{", 400),
        ("POST", "/api/v1/repositories", b"", 400),
        ("POST", "/api/v1/repositories", b"\xff\xfe", 400),
        ("POST", "/api/v1/repositories", b'{"name": "x", "colour": "red"}', 400),
        ("POST", "/api/v1/repositories", b'{"name": "../x"}', 400),
        ("POST", "/api/v1/repositories", b'{"name": "' + b"x" * (5 << 20) + b'"}', 413),
        ("GET", "/api/v1/builds?limit=501", b"", 400),
        ("GET", "/api/v1/builds?cursor=!", b"", 400),
        ("GET", "/api/v1/repositories?cursor=bm9wZQ", b"", 400),
        ("GET", "/api/v1/builds?state=asleep", b"", 400),
        ("GET", "/api/v1/builds/99999999999999999999", b"", 400),
        ("GET", "/api/v1/builds/7", b"", 404),
        ("GET", "/api/v1/repositories/..%2f..%2fetc", b"", 404),
        ("POST", "/api/v1/builds/7/heartbeat", b"{}", 400),
        ("POST", "/api/v1/builds", b"[" * 5000, 400),
        ("GET", "/repo/own/x86_64/../../../etc/passwd", b"", 404),
        ("POST", "/repo/own/x86_64/own.db", b"", 405),
    ],
)
async def test_nonsense_is_answered_with_a_problem(
    server: Running, method: str, path: str, body: bytes, status: int
) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, URL(server.url + path, encoded=True), data=io.BytesIO(body)) as answer,
    ):
        problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["status"]) == (status, status)
    assert problem["type"].startswith("urn:quarters:")
    assert problem["title"]
    assert problem["detail"]
    assert status != 405 or answer.headers["Allow"]


async def test_who_is_not_known_is_told_how_to_say_who_he_is(server: Running) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/api/v1/tokens") as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_what_goes_wrong_inside_stays_inside(server: Running) -> None:
    def spoil(connection: Connection) -> None:
        connection.execute(update(repositories).values(settings="secret insides"))

    await server.services.database.write(spoil)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/api/v1/repositories/own") as answer,
    ):
        assert answer.status == 500
        body = await answer.text()
    assert "internal-error" in body
    assert "secret" not in body
    assert "str" not in body


async def test_what_cannot_be_done_now_says_when_to_try_again(server: Running) -> None:
    (server.press.folder / "keys" / "bad.asc").write_text("no key")
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/api/v1/keys/bad") as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"]


async def test_a_client_says_where_it_looked_for_the_server_in_vain() -> None:
    async with Client("http://127.0.0.1:9", "qt_secret") as client:
        with pytest.raises(ServerUnreachable, match=r"http://127.0.0.1:9 .*quarters up") as error:
            await client.ready()
    assert "qt_secret" not in str(error.value) + repr(client)


async def test_a_client_tells_another_server_from_quarters() -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\n<html/>")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(other, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        async with Client(f"http://127.0.0.1:{port}") as client:
            with pytest.raises(ServerUnreachable, match="not a Quarters server"):
                await client.repositories.list()
