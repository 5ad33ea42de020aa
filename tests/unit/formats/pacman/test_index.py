"""Indexes are written in repo-add's form, the same bytes for the same packages, and read in any compression."""

import gzip
import io
import tarfile

import pytest

from quarters.formats import pages
from quarters.formats.pacman import Pacman
from quarters.model.errors import Invalid
from quarters.model.recipe import Provision
from quarters.model.repository import Compression, Published
from tests.unit.formats.pacman.packing import COMPRESSORS, file, folder, gzipped, tarred

PACMAN = Pacman()


def index(*packages: dict[str, str], compression: Compression = Compression.GZIP) -> dict[str, bytes]:
    named = {package["desc"].split("\n")[1]: package for package in packages}
    return pages.whole(PACMAN, "core", named, compression)


def package(name: str, version: str = "1-1", extra: str = "") -> dict[str, str]:
    return {"desc": f"%NAME%\n{name}\n\n%VERSION%\n{version}\n\n{extra}", "files": f"%FILES%\nusr/{name}\n"}


def unzipped(data: bytes) -> bytes:
    return gzip.decompress(data)


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        opened = {member.name: archive.extractfile(member) for member in archive}
    return {name: content.read() if content else b"" for name, content in opened.items()}


def test_an_index_holds_desc_and_only_the_files_archive_the_files() -> None:
    made = index(package("b"), package("a", "1:2-3"))
    assert list(made) == ["core.db.tar.gz", "core.files.tar.gz"]
    a, b = package("a", "1:2-3"), package("b")
    with tarfile.open(fileobj=io.BytesIO(made["core.db.tar.gz"])) as archive:
        assert archive.getnames() == ["a-1:2-3", "a-1:2-3/desc", "b-1-1", "b-1-1/desc"]
        assert [member.mode for member in archive] == [0o755, 0o644] * 2
        assert {member.mtime for member in archive} == {0}
        assert {(member.uid, member.uname, member.gid, member.gname) for member in archive} == {
            (0, "root", 0, "root")
        }
    listed = members(unzipped(made["core.files.tar.gz"]))
    assert listed["a-1:2-3/files"] == a["files"].encode()
    assert listed["b-1-1/desc"] == b["desc"].encode()


def test_the_same_packages_give_the_same_bytes_in_any_order() -> None:
    packages = [package(name) for name in ("a", "b", "c")]
    assert index(*packages) == index(*reversed(packages))


def test_an_empty_index_is_an_empty_archive_of_one_record() -> None:
    assert [unzipped(data) for data in index().values()] == [bytes(10240)] * 2


def test_an_index_is_a_whole_number_of_records() -> None:
    for count in range(1, 12):
        data = unzipped(index(*(package(f"p{n}") for n in range(count)))["core.db.tar.gz"])
        assert len(data) % 10240 == 0
        assert data.endswith(bytes(1024))


@pytest.mark.parametrize("length", [90, 91, 92, 93, 94, 95, 96, 97, 120, 150])
def test_long_names_fit_into_the_header(length: int) -> None:
    made = index(package("n" * length))
    assert f"{'n' * length}-1-1/desc" in members(unzipped(made["core.db.tar.gz"]))
    assert PACMAN.read_index(made["core.db.tar.gz"])[0].name == "n" * length


def test_a_name_that_no_header_can_hold_is_refused() -> None:
    with pytest.raises(Invalid, match="too long"):
        index(package("n" * 160))


def test_clients_ask_for_the_short_names() -> None:
    for compression, suffix in ((Compression.GZIP, "tar.gz"), (Compression.ZSTD, "tar.zst")):
        aliases = {"core.db": f"core.db.{suffix}", "core.files": f"core.files.{suffix}"}
        assert PACMAN.index_aliases("core", compression) == aliases
        assert PACMAN.index_files("core", compression) == tuple(aliases.values())


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("https://host/$repo/os/$arch", "https://host/core/os/x86_64/core.db"),
        ("https://host/$repo/", "https://host/core/core.db"),
        ("file:///srv/repo", "file:///srv/repo/core.db"),
    ],
)
def test_an_index_is_where_pacman_looks_for_it(server: str, url: str) -> None:
    assert PACMAN.index_url(server, "core", "x86_64") == url


READ = [
    Published(
        name="a", version="1:2-3", base="a-base", provides=(Provision("x"), Provision("liba.so", "1-64"))
    ),
    Published(name="b", version="1-1", base="b"),
]
WRITTEN = [
    package("a", "1:2-3", "%BASE%\na-base\n\n%PROVIDES%\nx\nliba.so=1-64\nnot a name\n\n"),
    package("b"),
]


@pytest.mark.parametrize("compression", Compression)
def test_an_index_reads_as_it_was_written(compression: Compression) -> None:
    written = index(*WRITTEN, compression=compression).values()
    assert [PACMAN.read_index(data) for data in written] == [READ, READ]
    assert [PACMAN.read_index(data) for data in index(compression=compression).values()] == [[], []]


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_an_index_of_several_frames_is_read_whole(suffix: str) -> None:
    data, pack = unzipped(index(*WRITTEN)["core.db.tar.gz"]), COMPRESSORS[suffix]
    assert PACMAN.read_index(pack(data[:1000]) + pack(data[1000:1001]) + pack(data[1001:])) == READ


def test_skippable_zstd_frames_are_skipped() -> None:
    skippable = b"\x5a\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    data = COMPRESSORS[".zst"](unzipped(index(*WRITTEN)["core.db.tar.gz"]))
    assert PACMAN.read_index(skippable + data + skippable) == READ


def test_what_upstream_adds_to_an_entry_is_ignored() -> None:
    desc = package("b")["desc"].encode()
    data = tarred([folder("b-1-1"), file("b-1-1/desc", desc), file("b-1-1/extra"), file("b-1-1/files")])
    assert PACMAN.read_index(gzipped(data)) == [READ[1]]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>404</html>",
        index(*WRITTEN)["core.db.tar.gz"][:-9],
        gzipped(tarred([file("b-1-1/desc", b"%NAME%\nb\n\n")])),
        gzipped(tarred([file("b-1-1/desc", b"%NAME%\n\xff\n\n%VERSION%\n1-1\n\n")])),
    ],
)
def test_an_unreadable_index_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid, match="The index cannot be read"):
        PACMAN.read_index(data)


def test_a_value_that_looks_like_a_key_is_a_value() -> None:
    fields = {"FILENAME": "a", "NAME": "a", "VERSION": "1-1", "DESC": "%PROVIDES%", "GROUPS": "%CSIZE%"}
    fields |= {"CSIZE": "7", "PROVIDES": "b"}
    desc = "".join(f"%{key}%\n{value}\n\n" for key, value in fields.items())
    data = gzipped(tarred([file("a-1-1/desc", desc.encode())]))
    assert PACMAN.read_index(data) == [
        Published(name="a", version="1-1", base="a", provides=(Provision("b"),))
    ]
    assert PACMAN.read_listing(data)[0].size == 7
