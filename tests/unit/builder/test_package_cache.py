"""How long downloaded packages are kept."""

import os
import time
from pathlib import Path

import pytest

from quarters.builder.package_cache import prune

DAY = 86_400


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Three packages of 1 MiB, used a while ago each; that of two days is the oldest."""
    for age, name in enumerate(("new", "day", "old")):
        (tmp_path / name).write_bytes(bytes(1 << 20))
        os.utime(tmp_path / name, (time.time() + (2 - age) * DAY, 0))
    (tmp_path / "download-of-pacman-7").mkdir()
    return tmp_path


def names(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.is_file())


def test_what_fits_and_was_used_stays(cache: Path) -> None:
    assert prune(cache, 3 << 20) == 0
    assert names(cache) == ["day", "new", "old"]


def test_above_the_limit_the_longest_unused_go_first(cache: Path) -> None:
    assert prune(cache, 1 << 20) == 2
    assert names(cache) == ["new"]


def test_what_nobody_used_for_a_month_goes_though_there_is_room(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = time.time() + 31.5 * DAY
    monkeypatch.setattr(time, "time", lambda: later)
    assert prune(cache, 1 << 30) == 2
    assert names(cache) == ["new"]
