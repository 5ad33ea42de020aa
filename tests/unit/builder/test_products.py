"""Which files count as a build's packages."""

import os
from pathlib import Path

import pytest

from quarters.builder.failure import BuildFailed
from quarters.builder.products import digest, promised


def files(folder: Path, *names: str) -> Path:
    """A folder with empty files of these names."""
    for name in names:
        (folder / name).touch()
    return folder


def test_every_promised_package_is_found_with_its_version(tmp_path: Path) -> None:
    out = files(tmp_path, "a-b-1:2.0_x-1.3-any.pkg.tar.zst", "a-1:2.0_x-1.3-x86_64.pkg.tar.zst")
    products, extra = promised(out, "a", ("a", "a-b"), "x86_64")
    assert [(p.name, p.version, p.arch) for p in products] == [
        ("a", "1:2.0_x-1.3", "x86_64"),
        ("a-b", "1:2.0_x-1.3", "any"),
    ]
    assert extra == ()


def test_debugging_symbols_belong_to_the_build_and_other_files_do_not(tmp_path: Path) -> None:
    out = files(
        tmp_path, "a-1-1-any.pkg.tar.zst", "base-debug-1-1-any.pkg.tar.zst", "z-1-1-any.pkg.tar.zst", "a.log"
    )
    products, extra = promised(out, "base", ("a",), "x86_64")
    assert [product.name for product in products] == ["a", "base-debug"]
    assert extra == ("a.log", "z-1-1-any.pkg.tar.zst")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "makepkg ended without a package file of a."),
        (("b-1-1-any.pkg.tar.zst",), "makepkg ended without a package file of a."),
        (("a-1-1-any.pkg.tar.xz",), "makepkg ended without a package file of a."),
        (
            ("a-1-1-any.pkg.tar.zst", "a-2-1-any.pkg.tar.zst"),
            "There is more than one package file of a: a-1-1-any.pkg.tar.zst and a-2-1-any.pkg.tar.zst.",
        ),
        (("a-1-1-i686.pkg.tar.zst",), "a-1-1-i686.pkg.tar.zst is not for x86_64."),
    ],
)
def test_anything_but_one_fitting_file_for_a_package_fails(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(BuildFailed) as failed:
        promised(files(tmp_path, *names), "a", ("a",), "x86_64")
    assert str(failed.value) == message


def test_a_link_is_not_a_package(tmp_path: Path) -> None:
    (tmp_path / "a-1-1-any.pkg.tar.zst").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "b-1-1-any.pkg.tar.zst")
    for name in ("a", "b"):
        with pytest.raises(BuildFailed, match="without a package file"):
            promised(tmp_path, name, (name,), "x86_64")


def test_a_digest_is_of_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert digest(path).sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest(path).size == 3


def test_a_file_with_any_bytes_in_its_name_is_named_in_characters_that_harm_nobody(tmp_path: Path) -> None:
    out = files(tmp_path, "a-1-1-any.pkg.tar.zst")
    for name in (b"a-1\xff-1-any.pkg.tar.zst", b"a-1\x1b[2J-1-any.pkg.tar.zst", b"new\nline"):
        (out / os.fsdecode(name)).touch()
    products, extra = promised(out, "a", ("a",), "x86_64")
    assert [product.version for product in products] == ["1-1"]
    assert extra == ("a-1\\x1b[2J-1-any.pkg.tar.zst", "a-1\\udcff-1-any.pkg.tar.zst", "new line")


def test_of_many_files_that_nobody_asked_for_only_some_are_named(tmp_path: Path) -> None:
    out = files(tmp_path, "a-1-1-any.pkg.tar.zst", *(f"{number:04}" for number in range(1000)))
    _, extra = promised(out, "a", ("a",), "x86_64")
    assert len(extra) == 21
    assert extra[-1] == "… and 980 more"


def test_a_file_of_mere_holes_is_not_read_for_hours(tmp_path: Path) -> None:
    out = files(tmp_path, "a-1-1-any.pkg.tar.zst")
    os.truncate(out / "a-1-1-any.pkg.tar.zst", 1 << 40)
    with pytest.raises(BuildFailed, match="is larger than 16 GiB"):
        promised(out, "a", ("a",), "x86_64")
