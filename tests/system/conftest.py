"""A place for real processes."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.system.farm import Farm, farm_in


@pytest.fixture(scope="session")
def real_tools() -> None:
    """Skips where there is nothing to build with."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("bwrap", "makepkg", "pacman", "gpg", "bsdtar"))):
        pytest.skip("builds are isolated with mounts, which needs root, bubblewrap and pacman")


@pytest.fixture
def folder(real_tools: None) -> Iterator[Path]:
    """Not below pytest's own folder: gpg's sockets must have short paths."""
    with TemporaryDirectory(prefix="q-", dir="/var/tmp") as name:
        yield Path(name)


@pytest.fixture
def farm(folder: Path) -> Iterator[Farm]:
    """No process yet; builders will report every second, so that one that is gone is soon missed."""
    with farm_in(folder, {"QUARTERS_SCHEDULER__HEARTBEAT": "1"}) as farm:
        yield farm
