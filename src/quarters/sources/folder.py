"""A recipe's folder as it is read."""

from collections.abc import Mapping

import msgspec


class Folder(msgspec.Struct, frozen=True):
    """A recipe's files that were asked for, those that exist; or the problem that keeps them from being read."""

    files: Mapping[str, bytes] = {}
    problem: str = ""


class Wanted(msgspec.Struct, frozen=True):
    """Which files make a recipe: a folder is one if it holds `marker`; `others` are read with it where they exist."""

    marker: str
    others: tuple[str, ...] = ()
    limit: int = 1 << 20
    """Bytes that each of them may have at most."""
