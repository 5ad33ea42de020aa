"""Exports to a real S3 server, from which pacman installs."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import obstore
import pytest
from obstore.store import S3Store

from quarters.formats.pacman import Pacman
from tests import ceph
from tests.pacman_root import PacmanRoot, needs_pacman
from tests.person import Person
from tests.press import package
from tests.serving import Running

_PUBLIC = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::farm/*"]}
    ],
}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server with a bucket `farm` that everybody may read; the environment says how to write to it."""
    if not ceph.present():
        pytest.skip("needs Ceph's gateway, and root")
    with TemporaryDirectory(prefix="q-") as folder, ceph.gateway(Path(folder)) as url:
        ceph.signed("--request", "PUT", f"{url}/farm")
        ceph.signed("--request", "PUT", "--data", json.dumps(_PUBLIC), f"{url}/farm?policy=")
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ceph.KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ceph.SECRET)
        monkeypatch.setenv("AWS_REGION", "default")
        yield url


async def fetched(url: str) -> tuple[int, bytes, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.read(), answer.headers.get("Cache-Control", "")


async def refusals(server: Running, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's files, no such bucket, a wrong key."""
    obstore.put(S3Store("farm", client_options={"allow_http": True}), "theirs/thesis.txt", b"Years of work.")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    stranger = Person(server)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ceph.SECRET)
    for person, target, sentence in (
        (Person(server), "s3://farm/theirs", "s3://farm/theirs holds files and no export.json"),
        (Person(server), "s3://nowhere", "s3://nowhere cannot be used:"),
        (stranger, place, f"{place} cannot be used:"),
    ):
        said = await person.run("export", "own", target, "--delete", code=1)
        assert sentence in said
        assert said.count("\n") == 1


# One test, since the server takes longer to start than all of this.
@needs_pacman
async def test_a_bucket_is_exported_to_installed_from_updated_and_cleaned(
    server: Running, endpoint: str, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, keys = Person(server), server.press.keys
    place, url = "s3://farm/repos/own", f"{endpoint}/farm/repos/own"
    client = PacmanRoot(short_folder, f"{url}/$arch", keys.public(), keys.fingerprint)
    await server.press.upload(package("greet", "1:1.0~rc1-1", text="one"))
    await server.press.upload(package("large", text=os.urandom(6 << 20).hex()))
    first = await person.json("export", "own", place)
    assert (first["sent"], first["packages"]) == (2, 2)
    code, said = await client.pacman("-Sy", "greet", "large")
    assert (code, client.installed("greet")) == (0, "one"), said

    await server.press.upload(package("greet", "1:2-1", text="two"))
    second = await person.json("export", "own", place, "--delete", "--grace", "1")
    assert (second["sent"], second["removed"]) == (1, 0)
    code, said = await client.pacman("-Syyu")
    assert (code, client.installed("greet")) == (0, "two"), said
    assert "already" in await person.run("export", "own", place)
    old = f"{url}/x86_64/{package('greet', '1:1.0~rc1-1').file_name}"
    status, _, cached = await fetched(old)
    assert (status, "immutable" in cached) == (200, True)
    assert (await person.json("export", "own", place, "--delete"))["removed"] == 1
    assert (await fetched(old))[0] in (403, 404)
    status, index, cached = await fetched(f"{url}/x86_64/own.db")
    assert (status, cached) == (200, "no-cache")
    assert {it.name: it.version for it in Pacman().read_index(index)} == {"greet": "1:2-1", "large": "1.0-1"}

    # An export that was broken off between the copies of index and signature is completed by the next one.
    store = S3Store("farm", prefix="repos/own", client_options={"allow_http": True})
    state = json.loads(bytes(obstore.get(store, "export.json").bytes()))
    obstore.put(store, "x86_64/own.db.sig", b"of another index")
    obstore.put(store, "export.json", json.dumps({**state, "snapshot": 1}).encode())
    assert (await person.json("export", "own", place))["sent"] == 0
    assert (await client.pacman("-Syy"))[0] == 0

    await refusals(server, place, monkeypatch)
