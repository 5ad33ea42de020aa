"""Hooks are root of their build's root: what they leave there leads nobody outside of it anywhere."""

import os
import shutil
from pathlib import Path

import pytest

from quarters.model.build import Outcome
from tests.integration.recorder import built, pkgbuild

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("bwrap", "makepkg", "pacman"))),
    reason="the sandbox needs root, bubblewrap and pacman",
)
TOOLS = "mount mkdir setpriv bwrap"


async def test_a_cache_is_never_put_over_the_machines_own_programs(tmp_path: Path) -> None:
    """A first build leaves programs in its cache, a second one has the cache mounted where they would be run."""
    breach = tmp_path / "breach"
    program = f"#!/usr/bin/bash\\n: >{breach}\\n"
    leaving = f"""build() {{
  cp /bin/bash /ccache/
  for tool in {TOOLS}; do printf '{program}' >/ccache/$tool; chmod 755 /ccache/$tool; done
}}"""
    finish, server = await built(tmp_path / "data", pkgbuild(leaving), ccache=True, source="a")
    assert finish.outcome is Outcome.BUILT, server.log(1)
    files = pkgbuild("build() { ls /ccache/mount; }")
    files[".quarters/prepare"] = "ln -s /usr/bin /ccache\n"
    finish, server = await built(tmp_path / "data", files, ccache=True, source="a")
    assert not breach.exists()
    assert finish.outcome is Outcome.BUILT, server.log(1)
