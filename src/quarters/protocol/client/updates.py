"""Updates of sources as a client sees them."""

from quarters.protocol.client.transport import Transport, below
from quarters.protocol.updates import UpdateReport, UpdatesView, UpdateWish

_DRY_RUN = 3600.0
"""Seconds that a dry run over a whole tree may take."""


class Updates:
    """`/api/v1/sources/NAME/updates`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def show(self, source: str) -> UpdatesView:
        """How the updates of a source go, or NotFound."""
        return await self._transport.call("GET", below("sources", source, "updates"), UpdatesView)

    async def ask(self, source: str, wish: UpdateWish) -> UpdateReport:
        """Look at upstreams now, or fire a trigger; with `pending`, the loop is about to."""
        return await self._transport.call(
            "POST", below("sources", source, "updates"), UpdateReport, send=wish, wait=_DRY_RUN
        )
