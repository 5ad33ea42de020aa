"""Roots that a builder makes itself, with the real pacman and bsdtar, and builds in them."""

import asyncio
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from quarters.builder.agent import Agent
from quarters.builder.engine import tars
from quarters.builder.engine.api import Api
from quarters.builder.engine.images import Images
from quarters.builder.engine.settings import ContainerSettings
from quarters.builder.failure import BuilderUnusable
from quarters.builder.root.archive import unpack
from quarters.builder.root.image import Image
from quarters.builder.root.pacstrap import Pacstrap
from quarters.builder.root.renewed import Renewed
from quarters.builder.root.settings import RootSettings
from quarters.config import Config
from quarters.model.build import Outcome
from quarters.protocol.builds import Finish
from quarters.wiring.builder import works
from tests import engines
from tests.integration.library import Signer, Web, run
from tests.integration.library import signer as signer
from tests.integration.library import web as web
from tests.integration.recorder import Recorder, assignment, pkgbuild, settings

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("bwrap", "makepkg", "pacman", "dpkg-query"))),
    reason="making roots needs root, bubblewrap, pacman, and Debian's packages to make them of",
)

SCRIPTLET = """post_install() {
  ls /sys/class/net /proc/sys/net/ipv4/conf 2>/dev/null | tr '\\n' ' ' >/etc/seen-by-scriptlet
  grep CapBnd /proc/self/status >>/etc/seen-by-scriptlet
}
"""
FEW_RIGHTS = "00000000800400db"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tar archive of a whole root."""
    path = tmp_path_factory.mktemp("system") / "root.tar"
    engines.root(path)
    return path


def package(system: Path, to: Path) -> None:
    """A package base-devel of all that is in the archive `system`, with a scriptlet."""
    run("bsdtar", "-cf", str(to), "--exclude", "var/lib/pacman/*", f"@{system}")
    info = "pkgname = base-devel\npkgbase = base-devel\npkgver = 1-1\npkgdesc = All\nsize = 1\narch = any\n"
    with tarfile.open(to, "a") as archive:
        for name, text in ((".PKGINFO", info), (".INSTALL", SCRIPTLET)):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


def mirror(system: Path, web: Web, signer: Signer) -> str:
    """A signed repository `core` with a package base-devel."""
    folder = web.folder / "core" / "x86_64"
    folder.mkdir(parents=True)
    made = folder / "base-devel-1-1-any.pkg.tar"
    package(system, made)
    signer.sign(made)
    run("repo-add", "--quiet", str(folder / "core.db.tar.gz"), str(made))
    return f"{web.url}/$repo/$arch"


async def built_in(
    data: Path, recipe: Mapping[str, str], root: str, making: RootSettings, **more: Any
) -> tuple[Finish, str]:
    """How the build of `recipe` in such a root ended, and its log."""
    server = Recorder()
    server.assign(assignment(), recipe)
    chosen = settings(data, root=root)
    config = Config(builder=chosen, root=making, **more)
    agent = Agent(chosen, server, works(config, server))
    async with asyncio.timeout(90):
        building = asyncio.create_task(agent.run())
        finished = asyncio.create_task(server.until_finished(1))
        try:
            await asyncio.wait({building, finished}, return_when=asyncio.FIRST_COMPLETED)
            if building.done():
                building.result()
            return finished.result(), server.log(1)
        finally:
            building.cancel()
            finished.cancel()
            await asyncio.gather(building, finished, return_exceptions=True)


SHOWING = pkgbuild("build() { cat /etc/seen-by-scriptlet; [[ -e /usr/sbin/sshd ]] && exit 1; true; }")


async def test_pacstrap_makes_a_root_of_signed_packages_that_builds_run_in(
    tmp_path: Path, system: Path, web: Web, signer: Signer
) -> None:
    keys = tmp_path / "keys.asc"
    keys.write_text(signer.public)
    data = tmp_path / "data"
    making = RootSettings(mirrors=(mirror(system, web, signer),), repositories=("core",), keyring=keys)
    finish, log = await built_in(data, SHOWING, "pacstrap", making)
    assert finish.outcome is Outcome.BUILT, log
    (root,) = (data / "roots" / "pacstrap").iterdir()
    assert (root / "etc/pacman.d/gnupg/pubring.gpg").exists()
    assert not list(root.glob("etc/pacman.d/gnupg/private-keys*"))
    seen = (root / "etc/seen-by-scriptlet").read_text()
    assert "eth0" not in seen
    assert f"CapBnd:\t{FEW_RIGHTS}" in seen
    assert [path.name for path in (data / "cache" / "packages").glob("*.tar")] == [
        "base-devel-1-1-any.pkg.tar"
    ]

    web.asked.clear()
    again = tmp_path / "again"
    again.mkdir()
    await Pacstrap(making, "x86_64", data).make(again)
    assert (again / "usr/bin/makepkg").exists()
    assert not any(path.endswith(".pkg.tar") for path in web.asked)


async def test_packages_by_nobody_who_is_trusted_make_no_root(
    tmp_path: Path, web: Web, signer: Signer
) -> None:
    packed(tree(tmp_path / "small", {"usr/bin/makepkg": ""}), tmp_path / "small.tar")
    stranger = Signer(tmp_path / "stranger")
    keys = tmp_path / "keys.asc"
    keys.write_text(stranger.public)
    stranger.close()
    servers = (mirror(tmp_path / "small.tar", web, signer),)
    making = RootSettings(mirrors=servers, repositories=("core",), keyring=keys)
    folder = tmp_path / "root"
    folder.mkdir()
    # What pacman says differs with its version: it may be asked to fetch the key from elsewhere, and cannot.
    with pytest.raises(BuilderUnusable, match=r"root cannot be made: .*checking keyring"):
        await Pacstrap(making, "x86_64", tmp_path / "data").make(folder)
    assert not (folder / "usr").exists()


async def test_a_mirror_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    making = RootSettings(
        mirrors=("http://127.0.0.1:9/$repo",),
        repositories=("core",),
        sig_level="Never",
        keyring=tmp_path / "none",
    )
    folder = tmp_path / "root"
    folder.mkdir()
    with pytest.raises(BuilderUnusable, match=r"root cannot be made: .*127.0.0.1"):
        await Pacstrap(making, "x86_64", tmp_path / "data").make(folder)


async def test_builds_run_in_an_archive_of_a_root(tmp_path: Path, system: Path) -> None:
    data = tmp_path / "data"
    finish, log = await built_in(
        data, pkgbuild("build() { [[ ! -e /usr/sbin/sshd ]]; }"), "image", RootSettings(image=str(system))
    )
    assert finish.outcome is Outcome.BUILT, log


async def test_an_image_of_a_container_engine_is_unpacked_to_a_root(tmp_path: Path, system: Path) -> None:
    small = tmp_path / "small"
    tree(small, {"usr/bin/makepkg": "of an image"})
    try:
        with engines.docker() as address:
            api = Api(address)
            await Images(api).load(tars.of_place(small), "small:latest")
            await api.close()
            roots = renewed(tmp_path, Image("small:latest", ContainerSettings(engine=address).engine))
            await roots.start()
            with roots.lent() as (layer,):
                assert (layer.lower / "usr/bin/makepkg").read_text() == "of an image"
            await roots.close()
    except engines.Unavailable as error:
        pytest.skip(str(error))


def tree(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def packed(folder: Path, to: Path) -> bytes:
    run("bsdtar", "-C", str(folder), "-cf", str(to), ".")
    return to.read_bytes()


LOWER = {
    "usr/bin/makepkg": "lower",
    "usr/bin/old": "",
    "etc/kept": "kept",
    "etc/many/a": "",
    "etc/many/b": "",
}
UPPER = {"usr/bin/makepkg": "upper", "usr/bin/.wh.old": "", "etc/many/.wh..wh..opq": "", "etc/many/c": ""}


@pytest.mark.parametrize("kind", ["docker", "oci"])
async def test_layers_go_over_each_other_and_remove_what_they_say(tmp_path: Path, kind: str) -> None:
    layers = [
        packed(tree(tmp_path / str(n), files), tmp_path / f"{n}.tar")
        for n, files in enumerate((LOWER, UPPER))
    ]
    digests = [hashlib.sha256(layer).hexdigest() for layer in layers]
    image = tmp_path / "image"
    (image / "blobs/sha256").mkdir(parents=True)
    for digest, layer in zip(digests, layers, strict=True):
        (image / "blobs/sha256" / digest).write_bytes(layer)
    if kind == "docker":
        tree(image, {"manifest.json": json.dumps([{"Layers": [f"blobs/sha256/{it}" for it in digests]}])})
    else:
        manifest = json.dumps({"layers": [{"digest": f"sha256:{it}"} for it in digests]})
        name = hashlib.sha256(manifest.encode()).hexdigest()
        index = {"manifests": [{"digest": f"sha256:{name}"}]}
        tree(image, {f"blobs/sha256/{name}": manifest, "index.json": json.dumps(index), "oci-layout": "{}"})
    packed(image, tmp_path / "image.tar")
    root = tmp_path / "root"
    root.mkdir()
    await unpack(tmp_path / "image.tar", root)
    found = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}
    assert found == {"usr/bin/makepkg": "upper", "etc/kept": "kept", "etc/many/c": ""}


async def test_an_image_that_names_a_layer_outside_of_itself_is_refused(tmp_path: Path) -> None:
    outside = packed(tree(tmp_path / "outside", LOWER), tmp_path / "outside.tar")
    assert outside
    image = tree(tmp_path / "image", {"manifest.json": json.dumps([{"Layers": ["../outside.tar"]}])})
    packed(image, tmp_path / "image.tar")
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(BuilderUnusable, match="outside of it"):
        await unpack(tmp_path / "image.tar", root)


class Written:
    """Makes roots of one file whose content counts how many were made."""

    def __init__(self) -> None:
        self.made = 0
        self.broken = False
        self.third = asyncio.Event()
        self.of = "0123456789abcdef0123"

    def origin(self) -> str:
        return self.of

    async def make(self, folder: Path) -> None:
        if self.broken:
            raise BuilderUnusable("The mirror is away.")
        self.made += 1
        if self.made == 3:
            self.third.set()
        tree(folder, {"usr/bin/makepkg": str(self.made)})


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def renewed(folder: Path, maker: Any, clock: Any = None) -> Renewed:
    return Renewed(maker, folder / "roots", 3600, clock or Clock())


def number(roots: Renewed) -> str:
    with roots.lent() as (layer,):
        return (layer.lower / "usr/bin/makepkg").read_text()


async def test_a_build_keeps_its_root_while_others_get_a_new_one(tmp_path: Path) -> None:
    roots = renewed(tmp_path, Written())
    await roots.start()
    with roots.lent() as (layer,):
        await roots.renew()
        assert number(roots) == "2"
        assert (layer.lower / "usr/bin/makepkg").read_text() == "1"
    await roots.renew()
    assert number(roots) == "3"
    assert len(list((tmp_path / "roots").iterdir())) == 1
    await roots.close()


async def test_a_root_that_cannot_be_made_anew_stays_in_use(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    maker = Written()
    roots = renewed(tmp_path, maker)
    await roots.start()
    await roots.close()
    maker.broken, maker.of = True, "f" * 20
    await roots.start()
    assert number(roots) == "1"
    assert "The mirror is away." in capfd.readouterr().out
    assert not list((tmp_path / "roots").glob("*.new"))
    await roots.close()


async def test_the_first_root_has_to_come_about(tmp_path: Path) -> None:
    maker = Written()
    maker.broken = True
    with pytest.raises(BuilderUnusable, match="away"):
        await renewed(tmp_path, maker).start()


async def test_a_root_serves_until_it_has_aged_or_is_to_be_made_of_something_else(tmp_path: Path) -> None:
    maker, clock = Written(), Clock()
    for late, of, expected in ((0, "a" * 20, "1"), (3000, "a" * 20, "1"), (0, "b" * 20, "2")):
        clock.now += timedelta(seconds=late)
        maker.of = of
        roots = renewed(tmp_path, maker, clock)
        await roots.start()
        assert number(roots) == expected
        await roots.close()
    clock.now += timedelta(seconds=3601)
    roots = renewed(tmp_path, maker, clock)
    await roots.start()
    assert roots.due_in == 0.0
    async with asyncio.timeout(10):
        await maker.third.wait()
    await roots.renew()
    assert number(roots) == "4"
    await roots.close()
