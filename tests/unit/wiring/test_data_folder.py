"""One data folder, one server."""

import os
from pathlib import Path

import pytest

from quarters.model.errors import DataFolderBusy, DataFolderUnusable
from quarters.wiring.data_folder import claimed


def test_a_folder_is_made_with_all_that_leads_to_it_and_its_keys_are_private(tmp_path: Path) -> None:
    with claimed(tmp_path / "a" / "b") as folder:
        assert (folder / "keys").stat().st_mode & 0o777 == 0o700


def test_a_second_claim_names_the_process_that_has_the_folder(tmp_path: Path) -> None:
    with (
        claimed(tmp_path),
        pytest.raises(DataFolderBusy, match=rf"used by process {os.getpid()}; stop it"),
        claimed(tmp_path),
    ):
        pass


def test_a_folder_is_free_again_after_its_claim_ended(tmp_path: Path) -> None:
    for _ in range(2):
        with claimed(tmp_path):
            pass


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(
            DataFolderUnusable, match=r"file cannot be written \(.*\); choose another one with --data"
        ),
        claimed(tmp_path / "file"),
    ):
        pass


def test_a_careless_umask_lets_nobody_else_write(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with claimed(tmp_path / "data") as folder:
            (folder / "new").mkdir()
            assert [oct(path.stat().st_mode & 0o777) for path in (folder, folder / "new")] == ["0o755"] * 2
    finally:
        os.umask(before)
