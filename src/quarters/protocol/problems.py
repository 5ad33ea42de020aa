"""Errors as they travel: which status each branch of the error tree has, and back from a problem to an error."""

import msgspec

from quarters.model.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    QuartersError,
    StorageFull,
    Unauthenticated,
    Unavailable,
)
from quarters.protocol.resources import Problem

MEDIA_TYPE = "application/problem+json"
_URN = "urn:quarters:"

# The first branch that an error belongs to decides, so StorageFull stands before Unavailable.
_STATUS: tuple[tuple[type[QuartersError], int], ...] = (
    (Invalid, 400),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (StorageFull, 507),
    (Unavailable, 503),
)
_BRANCH = {status: branch for branch, status in _STATUS} | {
    413: Invalid,
    422: Invalid,
    502: Unavailable,
    504: Unavailable,
}


def status_of(error: QuartersError) -> int:
    """The HTTP status of `error`; 500 for what no branch answers for."""
    return next((status for branch, status in _STATUS if isinstance(error, branch)), 500)


def problem(code: str, title: str, status: int, detail: str) -> Problem:
    """A problem whose type is a name that machines can rely on."""
    return Problem(kind=f"{_URN}{code}", title=title, status=status, detail=detail)


def error_from(status: int, body: bytes) -> QuartersError:
    """The error that an answer with `status` stands for, also where a proxy wrote it."""
    try:
        received = msgspec.json.decode(body, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _BRANCH.get(status, QuartersError)(f"The server answered with the status {status}.")
    known = _by_code(QuartersError)
    branch = known.get(received.kind.removeprefix(_URN)) or _BRANCH.get(status, QuartersError)
    return branch(received.detail)


def _by_code(branch: type[QuartersError]) -> dict[str, type[QuartersError]]:
    found = {branch.code: branch}
    for child in branch.__subclasses__():
        found |= _by_code(child)
    return found
