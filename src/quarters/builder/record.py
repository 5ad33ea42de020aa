"""What an attempt leaves on the disk once its packages are built, so that a builder that is started again sends them."""

import os
from collections.abc import Collection
from pathlib import Path

import msgspec

from quarters.builder.products import digest
from quarters.builder.workspace import Workspace
from quarters.protocol.builds import ArtifactDigest, Assignment, Finish


class Built(msgspec.Struct, frozen=True):
    """The build, with its lease, and the word that will end it once its artifacts have arrived."""

    assignment: Assignment
    finish: Finish


def keep(workspace: Workspace, built: Built) -> None:
    """Write it, whole or not at all; who may read it is up to the workspace's folder."""
    new = workspace.built.with_suffix(".new")
    with new.open("wb") as file:
        file.write(msgspec.json.encode(built))
        file.flush()
        os.fsync(file.fileno())
    new.rename(workspace.built)


def read(workspace: Workspace) -> Built | None:
    """What was kept; None where that is nothing that this version of Quarters understands."""
    try:
        return msgspec.json.decode(workspace.built.read_bytes(), type=Built)
    except (OSError, msgspec.DecodeError):
        return None


def is_whole(artifacts: Collection[ArtifactDigest], folder: Path) -> bool:
    """Whether the files in `folder` are still what was built: the machine may have lost its power."""
    try:
        return all(
            (found.size, found.sha256) == (artifact.size, artifact.sha256)
            for artifact in artifacts
            for found in [digest(folder / artifact.file_name)]
        )
    except FileNotFoundError:
        return False
