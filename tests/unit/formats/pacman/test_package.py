"""A package file is read whole, or refused with a sentence that says what is wrong with it."""

import hashlib
import tarfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quarters.formats.pacman import Limits, Pacman
from quarters.model.errors import PackageInvalid
from quarters.model.library import Library
from quarters.model.recipe import Dependency, Provision
from quarters.model.repository import PackageFile
from tests.unit.formats import elves
from tests.unit.formats.pacman.packing import (
    COMPRESSORS,
    FILE_NAME,
    HELLO,
    PKGINFO,
    file,
    folder,
    hardlink,
    pkginfo,
    special,
    symlink,
    tarred,
)

Members = Iterable[tuple[tarfile.TarInfo, bytes]]
Read = Callable[..., PackageFile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write bytes to a file and read it as a package."""

    def read(data: bytes, file_name: str = FILE_NAME, limits: Limits | None = None) -> PackageFile:
        path = tmp_path / "upload"
        path.write_bytes(data)
        return Pacman(limits).read_package(path, file_name)

    return read


def packed(members: Members, suffix: str = ".zst") -> bytes:
    return COMPRESSORS[suffix](tarred(members))


def test_a_package_says_what_it_is(read: Read) -> None:
    data = packed(HELLO)
    package = read(data)
    assert (package.name, package.base, package.version, package.arch) == (
        "hello",
        "hello-base",
        "1:2.0-3",
        "x86_64",
    )
    assert (package.size, package.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (package.installed_size, package.build_date) == (4096, 1700000000)
    assert package.packager == "A Packager <a@example.org>"
    assert (package.description, package.url) == ("Says hello", "https://example.org/")
    assert package.depends == (Dependency("glibc", ">=", "2.38"), Dependency("libfoo.so", "=", "1-64"))
    assert package.provides == (Provision("greeter", "2.0"), Provision("libhello.so", "2-64"))


def test_a_package_carries_its_index_entries_without_a_signature(read: Read) -> None:
    data = packed(HELLO)
    index = read(data).index
    assert index["files"] == "%FILES%\nusr/\nusr/bin/\nusr/bin/hello\nusr/bin/hello-again\nusr/bin/hi\n"
    assert index["desc"].startswith(f"%FILENAME%\n{FILE_NAME}\n\n%NAME%\nhello\n\n%BASE%\nhello-base\n\n")
    assert f"%MD5SUM%\n{hashlib.md5(data).hexdigest()}\n\n" in index["desc"]
    assert "PGPSIG" not in index["desc"]


@pytest.mark.parametrize("suffix", COMPRESSORS)
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_compressor_and_kind_of_tar_is_read(read: Read, suffix: str, form: int) -> None:
    data = COMPRESSORS[suffix](tarred(HELLO, form))
    assert read(data, f"hello-1:2.0-3-x86_64.pkg.tar{suffix}").name == "hello"


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_are_read(read: Read, form: int) -> None:
    names = ["usr/" + "long" * 40, "usr/é", "usr/" + "ü" * 120, "usr/name\udcff"]
    data = COMPRESSORS[".zst"](tarred([pkginfo(), *(file(name) for name in names)], form))
    listed = read(data).index["files"]
    assert listed == "%FILES%\n" + "".join(f"{n}\n" for n in sorted([*names[:3], "usr/name\\377"]))


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_several_frames_are_one_package(read: Read, suffix: str) -> None:
    data, pack = tarred(HELLO), COMPRESSORS[suffix]
    whole = read(pack(data[:700]) + pack(data[700:]), f"hello-1:2.0-3-x86_64.pkg.tar{suffix}")
    assert whole.name == "hello"


@pytest.mark.parametrize("suffix", COMPRESSORS)
@pytest.mark.parametrize("kept", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_package_is_refused(read: Read, suffix: str, kept: float) -> None:
    # Content that does not shrink, so that each share of the file is in the midst of something.
    noise = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 100
    data = packed([*HELLO, file("usr/noise", noise)], suffix)
    cut = int(len(data) * kept) if suffix else int((len(data) - 10240) * kept)
    with pytest.raises(PackageInvalid, match="it is truncated"):
        read(data[:cut], f"hello-1:2.0-3-x86_64.pkg.tar{suffix}")


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_package_that_lacks_only_its_last_byte_is_refused(read: Read, suffix: str) -> None:
    with pytest.raises(PackageInvalid, match="it is truncated"):
        read(packed(HELLO, suffix)[:-1], f"hello-1:2.0-3-x86_64.pkg.tar{suffix}")


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_a_flipped_bit_is_noticed(read: Read, suffix: str) -> None:
    data = bytearray(packed(HELLO, suffix))
    data[len(data) // 2] ^= 1
    with pytest.raises(PackageInvalid, match=r"damaged|truncated"):
        read(bytes(data), f"hello-1:2.0-3-x86_64.pkg.tar{suffix}")


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_data_after_the_end_is_refused(read: Read, suffix: str) -> None:
    with pytest.raises(PackageInvalid, match=r"data after its end|damaged|truncated"):
        read(packed(HELLO, suffix) + b"more", f"hello-1:2.0-3-x86_64.pkg.tar{suffix}")


def test_a_second_archive_after_the_end_is_refused(read: Read) -> None:
    hidden = tarred([file("../../etc/passwd")])
    with pytest.raises(PackageInvalid, match="data after its end"):
        read(COMPRESSORS[".zst"](tarred(HELLO) + hidden))


@pytest.mark.parametrize("data", [b"", b"not an archive", bytes(5000), b"\x28\xb5\x2f\xfd" + b"junk" * 100])
def test_what_is_no_archive_is_refused(read: Read, data: bytes) -> None:
    with pytest.raises(PackageInvalid):
        read(data)


def test_a_package_compressed_otherwise_than_its_name_says_is_refused(read: Read) -> None:
    with pytest.raises(PackageInvalid, match="damaged"):
        read(packed(HELLO, ".gz"))


@pytest.mark.parametrize(
    "file_name",
    [
        "hello.pkg.tar.zst",
        "hello-1:2.0-3-x86_64.tar.zst",
        "hello-1:2.0-3-x86_64.pkg.tar.lz4",
        "../hello-1:2.0-3-x86_64.pkg.tar.zst",
        "a/hello-1:2.0-3-x86_64.pkg.tar.zst",
        "-hello-1:2.0-3-x86_64.pkg.tar.zst",
        ".hello-1:2.0-3-x86_64.pkg.tar.zst",
        "hello-1:2.0-3-x86_64.pkg.tar.zst.sig",
        "hello-1:2.0-3-x86_64.pkg.tar.zst\n",
        "h" * 240 + "-1:2.0-3-x86_64.pkg.tar.zst",
    ],
)
def test_a_name_that_is_none_of_a_package_is_refused(read: Read, file_name: str) -> None:
    assert not Pacman().accepts_file_name(file_name)
    with pytest.raises(PackageInvalid, match="is not the name of a pacman package"):
        read(packed(HELLO), file_name)


@pytest.mark.parametrize(
    "file_name",
    [
        "hullo-1:2.0-3-x86_64.pkg.tar.zst",
        "hello-2.0-3-x86_64.pkg.tar.zst",
        "hello-1:2.0-4-x86_64.pkg.tar.zst",
        "hello-1:2.0-3-any.pkg.tar.zst",
    ],
)
def test_a_package_that_is_another_one_than_its_file_name_says_is_refused(read: Read, file_name: str) -> None:
    assert Pacman().accepts_file_name(file_name)
    with pytest.raises(PackageInvalid, match=r"by its \.PKGINFO it is hello-1:2\.0-3-x86_64"):
        read(packed(HELLO), file_name)


@pytest.mark.parametrize(
    ("change", "to", "message"),
    [
        ("pkgname = hello\n", "", "has no pkgname"),
        ("pkgver = 1:2.0-3\n", "", "has no pkgver"),
        ("arch = x86_64\n", "", "has no arch"),
        ("pkgver = 1:2.0-3", "pkgver = 2.0", "'2.0' is not a valid version"),
        ("pkgver = 1:2.0-3", "pkgver = 2.0-1-3", "'2.0-1-3' is not a valid version"),
        ("pkgname = hello", "pkgname = ../hello", "is not a valid package name"),
        ("pkgbase = hello-base", "pkgbase = a/b", "is not a valid package name"),
        ("size = 4096", "size = many", "has a size that is no number"),
        ("builddate = 1700000000", "builddate = -1", "has a builddate that is no number"),
        ("depend = glibc>=2.38", "depend = two words", "'two words' is not a dependency"),
    ],
)
def test_a_pkginfo_that_makes_no_sense_is_refused(read: Read, change: str, to: str, message: str) -> None:
    assert change in PKGINFO
    with pytest.raises(PackageInvalid, match=message):
        read(packed([pkginfo(PKGINFO.replace(change, to))]))


def test_a_pkginfo_in_another_encoding_is_refused(read: Read) -> None:
    with pytest.raises(PackageInvalid, match="is not UTF-8"):
        read(packed([file(".PKGINFO", PKGINFO.replace("Says", "Grü").encode("latin-1"))]))


NOISY = file("usr/zeros", bytes(100_000))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([file("usr/a")], r"it holds no \.PKGINFO"),
        ([pkginfo(), file("usr/a"), pkginfo()], r"it holds '\.PKGINFO' twice"),
        ([file("usr/a"), hardlink(".PKGINFO", "usr/a")], "is not a plain file"),
        ([symlink(".PKGINFO", "usr/a")], "is not a plain file"),
        ([file(".PKGINFO", bytes(2_000_000))], "a member of 2000000 bytes is where at most"),
        ([pkginfo(), file("../etc/passwd")], r"'\.\./etc/passwd' is not a safe relative path"),
        ([pkginfo(), file("usr/../../etc/passwd")], "is not a safe relative path"),
        ([pkginfo(), file("usr/..")], "is not a safe relative path"),
        ([pkginfo(), file("/etc/passwd")], "'/etc/passwd' is not a safe relative path"),
        ([pkginfo(), file("//etc/passwd")], "is not a safe relative path"),
        ([pkginfo(), file("usr//a")], "is not a safe relative path"),
        ([pkginfo(), file("./usr/a")], "is not a safe relative path"),
        ([pkginfo(), folder(".")], "is not a safe relative path"),
        ([pkginfo(), folder("/")], "is not a safe relative path"),
        ([pkginfo(), file("usr/" + "a" * 5000)], "is not a safe relative path"),
        ([pkginfo(), symlink("lib", "/etc"), file("lib/passwd")], "'lib/passwd' lies below 'lib'"),
        ([pkginfo(), symlink("a", ".."), folder("a/b")], "'a/b' lies below 'a'"),
        ([pkginfo(), symlink("a", ".."), file("a/b/c/d")], "'a/b/c/d' lies below 'a'"),
        ([pkginfo(), file("a"), file("a/b")], "'a/b' lies below 'a'"),
        ([pkginfo(), file("a/b"), symlink("a", "/etc")], "it holds 'a' twice"),
        ([pkginfo(), folder("a"), symlink("a", "/etc"), file("a/b")], "it holds 'a' twice"),
        ([pkginfo(), symlink("a", "/etc/passwd"), file("a")], "it holds 'a' twice"),
        (
            [pkginfo(), symlink("a", "/etc/passwd"), hardlink("b", "a")],
            "links to 'a', which is no file before",
        ),
        ([pkginfo(), hardlink("a", "/etc/passwd")], "'/etc/passwd' is not a safe relative path"),
        ([pkginfo(), hardlink("a", "../etc/passwd")], "is not a safe relative path"),
        ([pkginfo(), hardlink("a", "etc/passwd")], "which is no file before it"),
        ([pkginfo(), special("dev/null", tarfile.CHRTYPE)], "'dev/null' is a device or a pipe"),
        ([pkginfo(), special("dev/sda", tarfile.BLKTYPE)], "'dev/sda' is a device or a pipe"),
        ([pkginfo(), special("pipe", tarfile.FIFOTYPE)], "'pipe' is a device or a pipe"),
        ([pkginfo(), special("old", tarfile.CONTTYPE)], "of the unknown type"),
    ],
)
def test_an_unsafe_or_incomplete_tree_is_refused(read: Read, members: Members, message: str) -> None:
    with pytest.raises(PackageInvalid, match=message):
        read(packed(members))


def test_a_header_with_a_wrong_checksum_is_refused(read: Read) -> None:
    data = bytearray(tarred(HELLO))
    data[0] ^= 1
    with pytest.raises(PackageInvalid, match="checksum is wrong"):
        read(COMPRESSORS[".zst"](bytes(data)))


@pytest.mark.parametrize(
    "records", [b"", b"0 ", b"-6 a=b\n", b"6 a=bc\n", b"9 a=b\n", b"4 a\n", b"x a=b\n", b"12345"]
)
def test_a_damaged_extended_header_is_refused(read: Read, records: bytes) -> None:
    header = special("PaxHeaders/x", b"x")[0]
    content = b"6 a=b\n" + (records or bytes(7))
    header.size = len(content)
    data = header.tobuf(tarfile.USTAR_FORMAT) + content.ljust(512, b"\0") + tarred(HELLO)
    with pytest.raises(PackageInvalid, match="an extended header cannot be read"):
        read(COMPRESSORS[".zst"](data))


@pytest.mark.parametrize(
    ("at", "put"),
    [(124, b"\0"), (124, b"8"), (124, b"\xff"), (124, b"-"), (100, b"x"), (136, b"."), (257, b"U")],
)
def test_a_header_that_libarchive_would_read_otherwise_is_refused(read: Read, at: int, put: bytes) -> None:
    header = bytearray(tarred(HELLO))
    header[at : at + 1] = put
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:512]) + 8 * 0x20)
    with pytest.raises(PackageInvalid, match=r"a number that is none|no ustar"):
        read(COMPRESSORS[".zst"](bytes(header)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 6000), put=st.binary(min_size=1, max_size=12), compressed=st.booleans())
def test_whatever_the_damage_a_package_is_read_or_refused(
    read: Read, at: int, put: bytes, compressed: bool
) -> None:
    data = bytearray(packed(HELLO) if compressed else tarred([*HELLO, file("usr/" + "long" * 40)]))
    data[at % len(data) : at % len(data) + len(put)] = put
    with suppress(PackageInvalid):
        read(bytes(data), FILE_NAME if compressed else FILE_NAME.removesuffix(".zst"))


def test_the_limit_grows_with_the_file_between_a_floor_and_a_ceiling() -> None:
    limits = Limits(always=100, factor=10, never=1000)
    assert [limits.unpacked(size) for size in (1, 50, 5000)] == [100, 500, 1000]


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_bomb_is_refused_before_it_is_unpacked(read: Read, suffix: str) -> None:
    # 64 MiB of zeros; a reader that unpacked them all would report the missing end instead.
    bomb = COMPRESSORS[suffix](tarred([pkginfo(), file("usr/zeros", bytes(64 << 20))])[: 64 << 20])
    with pytest.raises(PackageInvalid, match="it unpacks to more than 1000000 bytes"):
        read(bomb, f"hello-1:2.0-3-x86_64.pkg.tar{suffix}", Limits(always=1_000_000, factor=1))


def test_a_list_of_files_without_end_is_refused(read: Read) -> None:
    members = [pkginfo(), *(file(f"usr/{n:0100}", b"") for n in range(20))]
    with pytest.raises(PackageInvalid, match="its list of files is longer than 1000 characters"):
        read(packed(members), FILE_NAME, Limits(listing=1000))


def test_a_package_says_which_libraries_it_provides_and_which_it_needs_from_others(read: Read) -> None:
    members = [
        pkginfo(),
        file("usr/bin/hello", elves.elf("libhello.so.2", "libprivate.so", "libc.so.6", kind=2)),
        file("usr/lib/libhello.so.2.0", elves.elf("libfoo.so.1", soname="libhello.so.2")),
        file("usr/lib/hello/libprivate.so", elves.elf("libbar.so.3")),
        file("usr/lib32/libhello.so.2", elves.elf(soname="libhello.so.2", bits=32, machine=elves.I386)),
        file("usr/lib/debug/usr/bin/hello.debug", elves.elf("libnothing.so.1")),
        file("usr/share/hello/elf", b"\x7fELF and nothing else"),
        symlink("usr/lib/libhello.so", "libhello.so.2"),
    ]
    found = read(packed(members)).libraries
    assert [(it.soname, it.bits) for it in found.provided] == [("libhello.so.2", 32), ("libhello.so.2", 64)]
    assert [it.soname for it in found.needed] == ["libbar.so.3", "libc.so.6", "libfoo.so.1"]


def test_what_is_read_of_a_library_leaves_the_rest_of_the_package_as_it_is(read: Read) -> None:
    plain = read(packed(HELLO))
    library = file("usr/lib/libhello.so.2", elves.elf(soname="libhello.so.2") + bytes(100_000))
    other = read(packed((library, *HELLO)))
    assert other.index["files"].splitlines()[1:] == sorted(
        [*plain.index["files"].splitlines()[1:], "usr/lib/libhello.so.2"]
    )


@pytest.mark.parametrize(
    ("soname", "bits", "written"),
    [
        ("libfoo.so.1", 64, "libfoo.so=1-64"),
        ("libfoo.so.1.2.3", 32, "libfoo.so=1.2.3-32"),
        ("libfoo-2.0.so", 64, "libfoo-2.0.so=libfoo-2.0.so-64"),
    ],
)
def test_a_library_is_written_as_makepkg_writes_it(soname: str, bits: int, written: str) -> None:
    assert str(Pacman().library_provision(Library(soname, bits))) == written
