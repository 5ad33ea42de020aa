"""Packages that a build needs for its name or its options, though recipes seldom say so."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from quarters.builder.command import Command
from quarters.builder.workspace import PATH


class Extra(NamedTuple):
    """A package, and the file of a root that shows that it is not needed any more."""

    package: str
    shown_by: str


# As Chaotic-AUR's builder has them.
_BY_SUFFIX = {
    "-git": Extra("git", "/usr/bin/git"),
    "-svn": Extra("subversion", "/usr/bin/svn"),
    "-bzr": Extra("breezy", "/usr/bin/brz"),
    "-hg": Extra("mercurial", "/usr/bin/hg"),
}
_MULTILIB = Extra("multilib-devel", "/usr/lib32/libgcc_s.so.1")
_CCACHE = Extra("ccache", "/usr/bin/ccache")
_OPTIONS = re.compile(r"^[ \t]*options\+?=\(([^)]*)\)", re.MULTILINE)


def wanted(names: Sequence[str], pkgbuild: str, *, ccache: bool) -> tuple[Extra, ...]:
    """What packages of these names ask for, and `ccache` where the recipe or its configuration does."""
    found = [extra for suffix, extra in _BY_SUFFIX.items() if any(name.endswith(suffix) for name in names)]
    if any(name.startswith("lib32-") for name in names):
        found.append(_MULTILIB)
    options = {word.strip("'\"") for it in _OPTIONS.finditer(pkgbuild) for word in it[1].split()}
    if ccache or "ccache" in options:
        found.append(_CCACHE)
    return tuple(found)


def looking(extras: Sequence[Extra]) -> Command:
    """Print the packages of `extras` that the root does not have, one by line."""
    lines = [f"[ -e {extra.shown_by} ] || echo {extra.package}" for extra in extras]
    return Command(
        arguments=("sh", "-c", "\n".join([*lines, "true"])),
        environment={"PATH": PATH},
        title="look for " + ", ".join(extra.package for extra in extras),
    )
