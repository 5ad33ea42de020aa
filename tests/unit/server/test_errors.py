"""The translator from errors to problems."""

import pytest
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from quarters.model.errors import DataFolderBusy, LeaseLost, StorageFull, Unauthenticated, Unavailable
from quarters.server.errors import described


def test_our_own_errors_keep_their_words_and_their_code() -> None:
    problem, headers = described(LeaseLost())
    assert (problem.status, problem.kind) == (409, "urn:quarters:lease-lost")
    assert problem.detail == str(LeaseLost())
    assert headers == {}


def test_answers_carry_the_headers_that_their_status_asks_for() -> None:
    assert "WWW-Authenticate" in described(Unauthenticated())[1]
    assert "Retry-After" in described(Unavailable())[1]
    assert "Retry-After" in described(StorageFull())[1]
    assert described(MethodNotAllowedException(headers={"allow": "GET"}))[1] == {"allow": "GET"}


def test_a_wrong_field_is_named() -> None:
    error = ValidationException(
        "Validation failed", extra=[{"key": "limit", "message": "Expected `int` <= 500"}]
    )
    problem, _ = described(error)
    assert (problem.status, problem.kind) == (400, "urn:quarters:invalid")
    assert problem.detail == "limit: Expected `int` <= 500"


def test_an_address_that_is_none_is_not_found() -> None:
    assert described(NotFoundException())[0].kind == "urn:quarters:not-found"


@pytest.mark.parametrize(
    "error", [ValueError("password=hunter2"), DataFolderBusy("/srv/secret"), HTTPException("at /srv/secret")]
)
def test_what_is_nobodys_business_is_not_told(error: Exception) -> None:
    problem, _ = described(error)
    assert (problem.status, problem.kind) == (500, "urn:quarters:internal-error")
    assert "secret" not in problem.detail
    assert "hunter2" not in problem.detail
