"""What the sandbox says where it cannot work."""

import os
from pathlib import Path

import pytest

from quarters.builder.executors.sandbox import Sandbox
from quarters.builder.failure import BuilderUnusable
from quarters.builder.root.provision import Standing
from quarters.builder.roots import HostRoot
from quarters.builder.settings import BuilderSettings


def sandbox(data: Path) -> Sandbox:
    return Sandbox(BuilderSettings(data=data), Standing(HostRoot(data / "roots" / "host")))


def test_a_folder_that_mount_would_misread_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda tool, path: f"/usr/bin/{tool}")
    with pytest.raises(BuilderUnusable, match="comma"):
        sandbox(tmp_path / "a,b").check()
