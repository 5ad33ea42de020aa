"""Request bodies that are files: read as they come, and never further than they may be long."""

import base64
from collections.abc import AsyncIterator
from typing import Any

from litestar import Request
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from quarters.model.errors import Invalid


class BodyCutOff(Invalid):
    """The connection ended within the request's body."""


async def chunks(request: Request[Any, Any, Any], limit: int) -> AsyncIterator[bytes]:
    """The body piece by piece; RequestEntityTooLarge past `limit` bytes, BodyCutOff where it ends too early."""
    announced = request.headers.get("content-length", "0")
    if int(announced) > limit:
        raise RequestEntityTooLarge
    more = True
    received = 0
    while more:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            raise BodyCutOff
        received += len(message["body"])
        if received > limit:
            raise RequestEntityTooLarge
        more = message.get("more_body", False)
        if message["body"]:
            yield message["body"]


def signature_in(header: str | None) -> bytes | None:
    """The signature that a header holds in base64; Invalid if it holds none."""
    try:
        return None if header is None else base64.b64decode(header, validate=True)
    except ValueError:
        raise Invalid("The header Package-Signature is not base64.") from None


async def whole(request: Request[Any, Any, Any], limit: int) -> bytes:
    """The body at once."""
    return b"".join([chunk async for chunk in chunks(request, limit)])
