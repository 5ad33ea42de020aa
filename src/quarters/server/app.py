"""The server's whole face: the API and its description as an ASGI application, and the files of repositories."""

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.types import Receive, Scope, Send

import quarters
from quarters.server.api import (
    aur,
    builders,
    builds,
    checks,
    events,
    forges,
    health,
    hooks,
    imports,
    keys,
    logs,
    metrics,
    packages,
    plans,
    rebuilds,
    recipes,
    repositories,
    reviews,
    schedules,
    snapshots,
    sources,
    tending,
    tokens,
    updates,
    work,
)
from quarters.server.auth import Guard, actor
from quarters.server.errors import translate
from quarters.server.files.directory import Directory
from quarters.server.files.files import Files
from quarters.server.files.reply import Accel
from quarters.server.routes import BEARER, Given
from quarters.server.services import Services
from quarters.server.settings import ServerSettings
from quarters.server.streams import Streams
from quarters.server.tails import Tails

_RESOURCES = (
    aur,
    builders,
    builds,
    checks,
    events,
    forges,
    health,
    hooks,
    imports,
    keys,
    logs,
    metrics,
    packages,
    plans,
    rebuilds,
    recipes,
    repositories,
    reviews,
    schedules,
    snapshots,
    sources,
    tending,
    tokens,
    updates,
    work,
)
_TAGS = {
    "repositories": "What clients install from.",
    "packages": "What a repository holds.",
    "snapshots": "What a repository held at each publish: compared, named, gone back to, promoted, forgotten.",
    "imports": "Whole repositories that come in at once.",
    "checks": "Whether what is stored is what was published.",
    "sources": "Where recipes come from.",
    "aur": "The Arch User Repository, as a place to take packages from.",
    "reviews": "Changes of recipes that wait for a person.",
    "schedules": "When sources and recipes are built by the clock.",
    "recipes": "What sources have.",
    "builds": "What is to be built, is being built and was built.",
    "rebuilds": "What is built again, and becomes visible together.",
    "logs": "What builds say.",
    "builders": "The machines that build.",
    "work": "The builder's side: claims, and everything under a lease.",
    "tokens": "Who may do what.",
    "keys": "The public keys that clients have to trust.",
    "events": "Everything that happens.",
    "health": "Whether the server lives and works.",
}


class App:
    """What answers requests: `files` those below `/repo/`, the application itself all others."""

    def __init__(self, services: Services, settings: ServerSettings) -> None:
        self._streams = Streams(services.wakeups)
        directory = Directory(services.database, services.shelf)
        accel = Accel(settings.accel, str(services.data)) if settings.accel else None
        self.files = Files(directory, services.wakeups, services.public, accel)
        self.api = _api(services, settings, self._streams)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (or run the API's start and end)."""
        await self.api(scope, receive, send)

    def close(self) -> None:
        """End event streams and long polls, so that the server can stop."""
        self._streams.close()


def create_app(services: Services, settings: ServerSettings) -> App:
    """The application over `services`."""
    return App(services, settings)


def _api(services: Services, settings: ServerSettings, streams: Streams) -> Litestar:
    tails = Tails(services.builds, streams)
    return Litestar(
        route_handlers=[resource.router() for resource in _RESOURCES],
        guards=[Guard(services.tokens, open_reading=settings.open_reading)],
        dependencies={
            "services": Provide(lambda: services, sync_to_thread=False),
            "actor": Provide(actor, sync_to_thread=False),
            "streams": _after_services(streams),
            "tails": _after_services(tails),
        },
        exception_handlers={Exception: translate},
        request_max_body_size=settings.max_body,
        openapi_config=_description(settings),
        logging_config=None,
    )


def _after_services(value: object) -> Provide:
    """`value` as a dependency that comes after the one that nearly all handlers have.

    Those that know nothing of each other get a task each, which takes longer than all else that a small request needs.
    """

    def provide(services: Given) -> object:
        return value

    return Provide(provide, sync_to_thread=False)


def _description(settings: ServerSettings) -> OpenAPIConfig:
    scheme = SecurityScheme(type="http", scheme="bearer", description="A token of `quarters token create`.")
    return OpenAPIConfig(
        title="Quarters",
        version=quarters.__version__,
        description="Turns package recipes into signed binary repositories. Errors are problems as in RFC 9457.",
        components=Components(security_schemes={BEARER: scheme}),
        tags=[Tag(name=name, description=description) for name, description in _TAGS.items()],
        use_handler_docstrings=True,
        path="/openapi.json",
        render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"])],
    )
