"""Installs what a build needs into its root, with pacman and from the repositories that the server named."""

import os
import re
import stat
from pathlib import Path

import msgspec

from quarters.builder.command import Command, Store
from quarters.builder.workspace import PATH, Workspace
from quarters.protocol.builds import Assignment, PackageRepository

CONFIGURATION = "etc/pacman.quarters.conf"
"""Not pacman's own file: with that, makepkg asks what is installed, and it may not read the keyring."""
PLAIN_CONFIGURATION = "etc/pacman.conf"
KEYRING = "etc/pacman.d/gnupg"
DOWNLOADS = "var/cache/pacman/pkg"
"""Where pacman leaves what it downloads."""
PACKAGES = Store(name="packages", point="/var/cache/quarters")
"""What earlier builds downloaded."""
_CORRUPTED = re.compile(r"is corrupted|invalid or corrupted package|failed to commit transaction \(.*corrupt")


def configuration(assignment: Assignment, server: str) -> str:
    """The pacman.conf(5) of one build; `server` is the URL of the Quarters server."""
    lines = [
        "[options]",
        f"Architecture = {assignment.arch}",
        f"CacheDir = /{DOWNLOADS}/",
        f"CacheDir = {PACKAGES.point}/",
        f"GPGDir = /{KEYRING}/",
        "SigLevel = Never",
        "LocalFileSigLevel = Optional",
        "ParallelDownloads = 5",
    ]
    for repository in assignment.repositories:
        lines += ["", f"[{repository.name}]", f"SigLevel = {repository.sig_level}"]
        lines += [f"Server = {_location(repository, server)}"]
    if assignment.pacman_conf:
        # The section may be there more than once; after ours, so that further repositories come last.
        lines += ["", "[options]", assignment.pacman_conf.rstrip()]
    return "\n".join(lines) + "\n"


def plain_configuration(arch: str) -> str:
    """What suffices to ask what is installed."""
    return f"[options]\nArchitecture = {arch}\n"


def downloading(assignment: Assignment, *, anew: bool = False) -> Command:
    """The command that downloads and verifies what the store does not have, or everything `anew`.

    Nothing of any package runs meanwhile.
    """
    command = _pacman(assignment, "-Syu", "--asdeps", "--needed", "--downloadonly", network=True)
    return msgspec.structs.replace(command, downloading=True, stores=() if anew else command.stores)


def installation(assignment: Assignment, *, overwrite: bool) -> Command:
    """The command that installs what was downloaded; scriptlets run as root, so they get no network."""
    options = ("--overwrite", "*") if overwrite else ()
    return _pacman(assignment, "-Su", "--asdeps", "--needed", *options, network=False)


def _pacman(assignment: Assignment, *operation: str, network: bool) -> Command:
    options = ["--config", f"/{CONFIGURATION}", "--noconfirm", "--noprogressbar", "--color", "never"]
    return Command(
        arguments=("pacman", *options, *operation, "--", *assignment.dependencies),
        environment={"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"},
        network=network,
        installing=True,
        stores=(PACKAGES,),
    )


def harvest(workspace: Workspace, cache: Path) -> None:
    """Move what pacman downloaded to the builder's cache, for the builds to come; pacman verifies it at each use.

    To be done before any scriptlet runs: one could leave there what another one's build would take for its own.
    """
    downloaded = workspace.changed(DOWNLOADS)
    if downloaded is None:
        return
    for entry in os.scandir(downloaded):
        complete = ".pkg.tar" in entry.name and not entry.name.endswith(".part")
        if complete and stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            os.replace(entry.path, cache / entry.name)


def corrupted(log: str) -> bool:
    """Whether pacman complains of a package file, which may be the cache's: another one bore its name."""
    return _CORRUPTED.search(log) is not None


def _location(repository: PackageRepository, server: str) -> str:
    return server.rstrip("/") + repository.server if repository.server.startswith("/") else repository.server
