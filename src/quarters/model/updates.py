"""Following the upstreams of a tree's recipes: what a source asks for, and what is known about each recipe."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from quarters.model.build import Cause

HALF_HOURLY = "*/30 * * * *"
MESSAGE = "chore(update): {packages}"
"""`{packages}` stands for the folders that changed."""


class Trigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the recipes that wait for the trigger `name` are built."""

    name: str
    schedule: str


class Updates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a source of kind `tree` follows its recipes' upstreams.

    What is None is what the tree's `.ci/config` says or, where it says nothing, the default.
    """

    follow: bool = False
    """Whether upstreams are looked at by the clock."""
    push: str = ""
    """Where commits are pushed; "" for nowhere, then only what needs no commit is looked at."""
    schedule: str = HALF_HOURLY
    timezone: str = "UTC"
    triggers: tuple[Trigger, ...] = ()
    author: str | None = None
    """Who commits, as `Name <mail>`."""
    message: str = MESSAGE
    overwrite: bool | None = None
    """Whether a commit takes the place of an automated one that is still the newest."""
    parallel: int | None = None
    """How many upstreams are fetched side by side."""
    delay: float | None = None
    """Seconds between the beginnings of two fetches."""
    proxy: str | None = None
    """The HTTP proxy through which the AUR is reached."""
    publish: str = ""
    """Below which address recipes that ask for it are pushed, such as `ssh://aur@aur.archlinux.org`; "" for nowhere."""


class UpdateState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about the upstreams of the recipe in the folder `path`."""

    path: str
    upstream: str = ""
    """The configuration that `marks` are about."""
    marks: Mapping[str, str] = {}
    """What was last seen of each upstream: a commit, a time, a version."""
    changed_at: datetime | None = None
    """When any of this was last found to be different."""
    problem: str = ""
    """Why it could not be looked at, in a sentence: it stays as it is until that works."""
    failures: int = 0
    """How often in a row it could not."""
    retry_at: datetime | None = None
    """Not before this is a failing one looked at again."""
    cause: Cause | None = None
    """Why it is to be built, None if it is not or was."""
    detail: str = ""


class UpdateRun(msgspec.Struct, frozen=True, kw_only=True):
    """How a source's updates go."""

    source: str
    ended_at: datetime | None = None
    """When the last run ended."""
    problem: str = ""
    """Why the last run could not do everything, in a sentence."""
    commit: str = ""
    """The last commit that was pushed."""
    committed: tuple[str, ...] = ()
    """The folders that it changed."""
    wanted: tuple[str, ...] | None = None
    """The packages that somebody asks to look at now, () for all; None if nobody does."""
    fired: Mapping[str, datetime] = {}
    """When each named trigger fired last, or was first seen."""
    memory: Mapping[str, str] = {}
    """The validators of what was downloaded."""
