"""What people's commits ask for: `[deploy NAME]` and `[deploy all]` in their messages."""

import re
from datetime import UTC, datetime
from hashlib import sha256

import msgspec

from quarters.model.commit import Commit
from quarters.sources.mirror import Mirror

_DEPLOY = re.compile(r"\[deploy[ \t]+([^\]\n]{1,255})\]", re.IGNORECASE)
_FIRST = 200
"""Commits that are noted when a source is first read, so that a forced push does not make them new."""
_MOST = 5000
"""Commits that are looked at in one sync."""
_LONGEST = 200


async def new_commits(mirror: Mirror, source: str, since: str, until: str) -> list[Commit]:
    """The commits that `until` has and `since` ("" for none) has not, the oldest first.

    Those of a first look ask for nothing: they were made before anybody listened.
    """
    known = bool(since) and await _has(mirror, since)
    limit = _MOST if known else _FIRST
    printed = await mirror.git.run(
        "log", "-z", "--no-merges", f"--max-count={limit}", "--format=%H%n%at%n%ct%n%an <%ae>%n%B",
        *([until, f"^{since}"] if known else [until]), "--",
    )  # fmt: skip
    found = [_read(source, each) for each in printed.decode(errors="replace").split("\0") if each.strip()]
    if not since:
        found = [msgspec.structs.replace(each, asks=(), pending=False) for each in found]
    return found[::-1]


async def _has(mirror: Mirror, revision: str) -> bool:
    (found,) = await mirror.git.objects([f"{revision}^{{commit}}"])
    return found is not None


def _read(source: str, printed: str) -> Commit:
    revision, authored, committed, author, message = printed.split("\n", 4)
    text = message.strip()
    asks = tuple(dict.fromkeys(name.strip() for name in _DEPLOY.findall(text)))
    return Commit(
        source=source,
        revision=revision,
        # A rebase leaves these as they are.
        identity=sha256("\0".join((author, authored, text)).encode()).hexdigest(),
        author=author[:_LONGEST],
        at=datetime.fromtimestamp(int(committed), UTC),
        subject=text.partition("\n")[0][:_LONGEST],
        asks=asks,
        pending=bool(asks),
    )
