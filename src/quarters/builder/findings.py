"""What `quarters builder check` finds out about a machine, and how to mend it."""

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """Whether builds work with it."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    """Builds work, but not as well as they could."""
    BAD = "bad"
    """Nothing can be built."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at; `mend` says what to do where it is not good."""

    name: str
    verdict: Verdict
    says: str
    mend: str = ""


def good(name: str, says: str) -> Finding:
    """All is well."""
    return Finding(name=name, verdict=Verdict.GOOD, says=says)


def doubtful(name: str, says: str, mend: str) -> Finding:
    """It works all the same."""
    return Finding(name=name, verdict=Verdict.DOUBTFUL, says=says, mend=mend)


def bad(name: str, says: str, mend: str) -> Finding:
    """It does not work."""
    return Finding(name=name, verdict=Verdict.BAD, says=says, mend=mend)
