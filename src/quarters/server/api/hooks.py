"""What forges call when somebody pushes."""

from litestar import Router, post

from quarters.protocol.hooks import Pushed
from quarters.server.bodies import whole
from quarters.server.routes import API, Asking, Given, Name, RawBody, needs

_LARGEST = 25 << 20
"""Bytes that a payload may have; GitHub sends no larger ones."""


@post(
    "/{name:str}",
    status_code=202,
    operation_class=RawBody,
    request_max_body_size=None,
    **needs(None, "receivePush", 401, 413),
)
async def receive_push(request: Asking, services: Given, name: Name) -> Pushed:
    """A push to a source's repository, as GitHub, GitLab, Gitea or Forgejo tells it, proved by the source's secret."""
    return await services.hooks.pushed(name, dict(request.headers), await whole(request, _LARGEST))


def router() -> Router:
    """The routes of this resource."""
    return Router(f"{API}/hooks", route_handlers=[receive_push], tags=["sources"])
