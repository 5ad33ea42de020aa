"""Checks of repositories, as a client sees them."""

from quarters.protocol.checks import Check, Checked
from quarters.protocol.client.transport import Transport, below

_LONG = 86400.0
"""Seconds that reading every package of a large repository may take."""


class Checks:
    """`/api/v1/repositories/{name}/checks`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def check(self, repository: str, *, repair: bool = False) -> Checked:
        """What is wrong with a repository, and what was mended."""
        path = below("repositories", repository, "checks")
        return await self._transport.call("POST", path, Checked, send=Check(repair=repair), wait=_LONG)
