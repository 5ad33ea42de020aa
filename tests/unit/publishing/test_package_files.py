"""The store by content: kept once, whole or not at all, and free of what killed processes left."""

import hashlib
import os
from pathlib import Path

import pytest

from quarters.storage.package_files import PackageFiles


def upload(folder: Path, content: bytes) -> tuple[Path, str]:
    path = folder / "upload"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def test_a_file_is_found_by_its_content_after_its_source_is_gone(tmp_path: Path) -> None:
    files = PackageFiles(tmp_path / "packages")
    path, sha256 = upload(tmp_path, b"content")
    files.add(path, sha256)
    path.unlink()
    assert files.path(sha256).read_bytes() == b"content"
    assert files.path(sha256) == tmp_path / "packages" / sha256[:2] / sha256


def test_on_the_same_file_system_nothing_is_copied(tmp_path: Path) -> None:
    files = PackageFiles(tmp_path / "packages")
    path, sha256 = upload(tmp_path, b"content")
    files.add(path, sha256)
    assert files.path(sha256).samefile(path)


@pytest.mark.skipif(
    not Path("/dev/shm").is_dir() or os.stat("/dev/shm").st_dev == os.stat("/tmp").st_dev,
    reason="there is no second file system at /dev/shm",
)
def test_from_another_file_system_a_file_is_copied(tmp_path: Path) -> None:
    source = Path("/dev/shm") / f"quarters-{os.getpid()}"
    source.write_bytes(b"content")
    try:
        files = PackageFiles(tmp_path / "packages")
        sha256 = hashlib.sha256(b"content").hexdigest()
        files.add(source, sha256)
    finally:
        source.unlink()
    assert files.path(sha256).read_bytes() == b"content"
    assert [it.name for it in files.path(sha256).parent.iterdir()] == [sha256]


def test_adding_the_same_content_again_changes_nothing(tmp_path: Path) -> None:
    files = PackageFiles(tmp_path / "packages")
    path, sha256 = upload(tmp_path, b"content")
    files.add(path, sha256)
    kept = files.path(sha256).stat()
    path.unlink()
    again, _ = upload(tmp_path, b"content")
    files.add(again, sha256)
    assert files.path(sha256).stat().st_ino == kept.st_ino


def test_sweeping_removes_unfinished_copies_only(tmp_path: Path) -> None:
    files = PackageFiles(tmp_path / "packages")
    path, sha256 = upload(tmp_path, b"content")
    files.add(path, sha256)
    unfinished = files.path(sha256).parent / ".new-abc"
    unfinished.write_bytes(b"con")
    files.sweep()
    assert not unfinished.exists()
    assert files.path(sha256).exists()
