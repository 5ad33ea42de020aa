"""Errors cross the wire as themselves."""

import msgspec
import pytest

from quarters.model import errors
from quarters.model.errors import (
    Forbidden,
    LeaseLost,
    QuartersError,
    StorageFull,
    Unavailable,
)
from quarters.protocol.problems import error_from, problem, status_of


def tree(branch: type[QuartersError] = QuartersError) -> list[type[QuartersError]]:
    return [branch, *(leaf for child in branch.__subclasses__() for leaf in tree(child))]


@pytest.mark.parametrize("kind", [kind for kind in tree() if kind.__module__ == errors.__name__])
def test_an_error_arrives_as_what_it_was(kind: type[QuartersError]) -> None:
    sent = kind("Something is amiss.")
    wire = msgspec.json.encode(problem(sent.code, "Amiss", status_of(sent), str(sent)))
    received = error_from(status_of(sent), wire)
    assert (type(received), str(received)) == (kind, "Something is amiss.")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.PackageInvalid(), 400),
        (errors.Unauthenticated(), 401),
        (Forbidden(), 403),
        (errors.NotFound(), 404),
        (LeaseLost(), 409),
        (Unavailable(), 503),
        (StorageFull(), 507),
        (errors.DataFolderBusy(), 500),
    ],
)
def test_the_branch_of_an_error_decides_its_status(error: QuartersError, status: int) -> None:
    assert status_of(error) == status


@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"\xff", b"{}", b'{"type": 3}'])
@pytest.mark.parametrize(("status", "kind"), [(502, Unavailable), (403, Forbidden), (418, QuartersError)])
def test_an_answer_that_a_proxy_wrote_is_judged_by_its_status(
    body: bytes, status: int, kind: type[QuartersError]
) -> None:
    error = error_from(status, body)
    assert type(error) is kind
    assert str(status) in str(error)


def test_an_unknown_code_is_judged_by_its_status() -> None:
    wire = msgspec.json.encode(problem("from-the-future", "New", 409, "Newer server."))
    assert (type(error_from(409, wire)), str(error_from(409, wire))) == (errors.Conflict, "Newer server.")
