"""The one translator from errors to answers: problems as RFC 9457 has them, and nothing about our insides."""

from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from quarters.model.errors import QuartersError, Unauthenticated, Unavailable
from quarters.protocol import problems
from quarters.protocol.resources import Problem

log = structlog.get_logger(__name__)

_RETRY_AFTER = "5"


def translate(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to a request that ended in `error`."""
    problem, headers = described(error)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR and not _gone(error):
        log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        headers=headers,
        media_type=problems.MEDIA_TYPE,
    )


def described(error: Exception) -> tuple[Problem, dict[str, str]]:
    """The problem that `error` is to a client, and the headers that go with it."""
    if isinstance(error, QuartersError):
        status = problems.status_of(error)
        if status != HTTPStatus.INTERNAL_SERVER_ERROR:
            return problems.problem(error.code, _title(error), status, str(error)), _headers(error)
    elif isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        status = HTTPStatus(error.status_code)
        code = "invalid" if status == HTTPStatus.BAD_REQUEST else status.phrase.lower().replace(" ", "-")
        return problems.problem(code, status.phrase, status, _detail(error)), error.headers or {}
    elif isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError):
        # Of what we do, only the reading of JSON goes deeper the deeper its input is.
        status = HTTPStatus.BAD_REQUEST
        return problems.problem("invalid", status.phrase, status, "The body is nested too deeply."), {}
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    detail = "An internal error; the server's log has more about it."
    return problems.problem("internal-error", status.phrase, status, detail), {}


def _title(error: QuartersError) -> str:
    return (type(error).__doc__ or error.code).splitlines()[0]


def _headers(error: QuartersError) -> dict[str, str]:
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": 'Bearer realm="quarters"'}
    if isinstance(error, Unavailable):
        return {"Retry-After": _RETRY_AFTER}
    return {}


def _detail(error: HTTPException) -> str:
    """Litestar's own words, with the fields that it names."""
    if error.status_code == HTTPStatus.NOT_FOUND:
        return "There is nothing at this address."
    fields = [
        f"{field['key']}: {field['message']}" if "key" in field else field["message"]
        for field in error.extra or ()
        if isinstance(field, dict) and "message" in field
    ]
    return "; ".join(fields) or error.detail


def _gone(error: Exception) -> bool:
    """Whether the client hung up while it sent its request, which is no failure of ours."""
    return isinstance(error, HTTPException) and "disconnect" in error.detail
