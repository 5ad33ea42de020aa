"""Figures for Prometheus."""

from litestar import Response, Router, get

from quarters.model.token import Scope
from quarters.server.metrics import MEDIA_TYPE
from quarters.server.routes import Given, needs


@get("/metrics", media_type=MEDIA_TYPE, **needs(Scope.READ, "readMetrics"))
async def read_metrics(services: Given) -> Response[bytes]:
    """Queue, builders, results, times and index sizes in Prometheus' text format; a closed server wants a token."""
    return Response(await services.metrics.text(), media_type=MEDIA_TYPE)


def router() -> Router:
    """The routes of this resource."""
    return Router("/", route_handlers=[read_metrics], tags=["health"])
