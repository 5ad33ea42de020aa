"""What may stand where a source says where it is, so that no tool takes it for an option or a command."""

import re
from urllib.parse import urlsplit

from quarters.model.errors import Invalid
from quarters.model.source import Source

# What git-check-ref-format(1) allows, less what only looks odd.
_BRANCH = re.compile(
    r"(?!-)(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\/.][^\x00-\x20\x7f~^:?*\[\\]*(?<![/.])"
)
UNFIT = re.compile(r"[\x00-\x1f\x7f\"\\]")
"""What a folder's name may not hold: it goes into git's line protocols, into file names and before people's eyes."""


def check_git(source: Source) -> None:
    """Invalid where git could take the location or the branch for something else."""
    if not source.location or source.location.startswith("-") or UNFIT.search(source.location):
        raise Invalid(f"{source.location!r} is not the location of a git repository.")
    if "::" in source.location.partition("/")[0]:
        raise Invalid("A location cannot name a git remote helper; use a path, or a file, ssh or https URL.")
    if not source.location.startswith("/") and ":" not in source.location:
        raise Invalid(f"{source.location!r} is neither a URL nor an absolute path.")
    if source.branch and not is_ref(source.branch):
        raise Invalid(f"{source.branch!r} is not a valid branch name.")


def is_ref(name: str) -> bool:
    """Whether `name` can be that of a branch or a tag, and nothing else to git."""
    return _BRANCH.fullmatch(name) is not None


def check_url(location: str, schemes: tuple[str, ...]) -> None:
    """Invalid unless `location` is a URL with a host (or a file: URL) of one of `schemes`."""
    try:
        parts = urlsplit(location)
    except ValueError:
        parts = urlsplit("")
    there = parts.netloc or parts.scheme == "file"
    # A host that begins with a dash would be an option of ssh.
    odd = UNFIT.search(location) or (parts.hostname or "").startswith("-")
    if odd or parts.scheme not in schemes or not there:
        raise Invalid(f"{location!r} is no URL that begins with {' or '.join(f'{it}://' for it in schemes)}.")


def check_path(path: str) -> None:
    """Invalid unless `path` is a plain relative path of folders, or empty."""
    if path and (UNFIT.search(path) or any(part in ("", ".", "..") for part in path.split("/"))):
        raise Invalid(f"{path!r} is not the path of a folder below the location.")


def refuse(source: Source, *fields: str) -> None:
    """Invalid where a setting is given that sources of this kind have no use for."""
    for field in fields:
        if getattr(source, field):
            raise Invalid(f"A source of kind {source.kind!r} has no {field}.")
