"""What all routes have in common: the scope they need, the problems they may answer with, the shape of parameters."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, TypedDict

from litestar import Request
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
    SecurityRequirement,
)
from litestar.openapi.spec.enums import OpenAPIFormat
from litestar.params import HeaderParameter, PathParameter, QueryParameter, SkipValidation

from quarters.model.token import Scope
from quarters.protocol import problems
from quarters.protocol.resources import Problem
from quarters.server.auth import NEEDS
from quarters.server.services import Services
from quarters.server.streams import Streams
from quarters.server.tails import Tails

API = "/api/v1"
BEARER = "bearer"
RAW = "application/octet-stream"

_PLAIN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
_PACKAGE = r"^[A-Za-z0-9@_+][A-Za-z0-9@._+-]{0,254}$"
_ARCH = r"^[a-z0-9_]{1,32}$"
_FILE = r"^[A-Za-z0-9@_+][A-Za-z0-9@._+:~-]{0,254}$"

Asking = Request[Any, Any, Any]
Given = NamedDependency[SkipValidation[Services]]
Followed = NamedDependency[SkipValidation[Streams]]
Tailed = NamedDependency[SkipValidation[Tails]]
Actor = NamedDependency[SkipValidation[str]]
"""The name of the token that asks."""

Name = Annotated[str, PathParameter(pattern=_PLAIN)]
Package = Annotated[str, PathParameter(pattern=_PACKAGE)]
Arch = Annotated[str, PathParameter(pattern=_ARCH)]
Fingerprint = Annotated[str, PathParameter(pattern=r"^[0-9A-Fa-f]{40,64}$")]
FileName = Annotated[str, PathParameter(pattern=_FILE)]
Id = Annotated[int, PathParameter(ge=0, le=2**63 - 1)]

Limit = Annotated[int, QueryParameter(ge=1, le=500, description="How many items to return at most.")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=1000, description="Where to go on, from the list's last answer.")
]
OfRequest = Annotated[
    int | None,
    QueryParameter(name="request", ge=1, le=2**63 - 1, description="The number of a request."),
]
OfName = Annotated[str | None, QueryParameter(pattern=_PLAIN)]
OfPackage = Annotated[str | None, QueryParameter(pattern=_PACKAGE)]
OfArch = Annotated[str | None, QueryParameter(pattern=_ARCH)]
Called = Annotated[str, QueryParameter(pattern=_FILE, description="The package's file name.")]
AllowDowngrade = Annotated[
    bool, QueryParameter(description="Whether it may be older than what is published.")
]
Signature = Annotated[
    str | None,
    HeaderParameter(
        name="Package-Signature",
        max_length=22_000,
        pattern=r"^[A-Za-z0-9+/]*={0,2}$",
        description="The uploader's detached binary OpenPGP signature of the file, in base64.",
    ),
]
Search = Annotated[str | None, QueryParameter(name="query", max_length=200, pattern=r"^[^\x00]*$")]
Offset = Annotated[int, QueryParameter(ge=0, le=2**62, description="Where to begin, in bytes.")]
LIMIT = 100


class Route(TypedDict):
    """The part of a handler's decorator that `needs` fills in."""

    operation_id: str
    opt: dict[str, Any]
    security: list[SecurityRequirement]
    responses: dict[int, ResponseSpec]


def needs(scope: Scope | None, operation_id: str, *statuses: int) -> Route:
    """A route that takes a token of `scope` (None: none), and may answer with the problems `statuses` beside usual ones."""
    usual = [400, 503] if scope is None else [400, 401, 403, 503]
    security: list[SecurityRequirement] = [] if scope is None else [{BEARER: []}]
    if scope is Scope.READ:
        security.insert(0, {})  # reading takes no token where it is open
    return Route(
        operation_id=operation_id,
        opt={} if scope is None else {NEEDS: scope},
        security=security,
        responses={status: _problem(status) for status in sorted({*usual, *statuses})},
    )


def _problem(status: int) -> ResponseSpec:
    return ResponseSpec(
        Problem,
        generate_examples=False,
        description=HTTPStatus(status).phrase,
        media_type=problems.MEDIA_TYPE,
    )


@dataclass
class RawBody(Operation):
    """A route that takes a file as its body."""

    def __post_init__(self) -> None:
        """Say so, because the handler reads the stream itself."""
        schema = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        self.request_body = RequestBody(content={RAW: OpenAPIMediaType(schema=schema)}, required=True)
