"""Whether the settings of a source's updates make sense."""

import re

import msgspec

from quarters.model.errors import Invalid
from quarters.model.source import Source
from quarters.model.updates import Updates
from quarters.planning.schedule import Schedule
from quarters.sources.locations import check_git, check_url

_PERSON = re.compile(r"[^<>\n\0]+ <[^<>\s\0]+>")
_NAME = re.compile(r"[\w.+-]{1,63}")
_MOST_AT_ONCE = 64
_LONGEST = 3600


def check(source: Source) -> None:
    """Invalid, in a sentence, where they do not; only a tree has any."""
    how = source.updates
    if source.kind != "tree":
        if how != Updates():
            raise Invalid(f"A source of kind {source.kind!r} has no upstreams; only a tree has.")
        return
    Schedule(how.schedule, how.timezone).check()
    for trigger in how.triggers:
        if not _NAME.fullmatch(trigger.name):
            raise Invalid(f"{trigger.name!r} cannot be the name of a trigger.")
        Schedule(trigger.schedule, how.timezone).check()
    _check_places(source)
    _check_commits(how)


def _check_places(source: Source) -> None:
    for location in filter(None, (source.updates.push, source.updates.publish)):
        check_git(msgspec.structs.replace(source, location=location))
    if source.updates.proxy:
        check_url(source.updates.proxy, ("http", "https"))


def _check_commits(how: Updates) -> None:
    if how.author is not None and not _PERSON.fullmatch(how.author):
        raise Invalid(f"{how.author!r} is not written as `Name <mail>`.")
    if not how.message.strip() or "\0" in how.message:
        raise Invalid("A commit has a message.")
    if how.parallel is not None and not 1 <= how.parallel <= _MOST_AT_ONCE:
        raise Invalid(f"From 1 to {_MOST_AT_ONCE} upstreams can be fetched side by side.")
    if how.delay is not None and not 0 <= how.delay <= _LONGEST:
        raise Invalid(f"Between two fetches there are 0 to {_LONGEST} seconds.")
