"""Keys as a client sees them."""

from quarters.protocol.client.transport import Transport, below
from quarters.protocol.resources import (
    KeyExtension,
    KeyRetirement,
    KeyView,
    PackageView,
    Page,
    RepositoryView,
    TrustedKey,
)

_ALL = "keys"


class Keys:
    """`/api/v1/keys`, and the keys that clients of a repository trust."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self) -> Page[KeyView]:
        """The public keys that repositories are signed with, were or are about to be."""
        return await self._transport.call("GET", below(_ALL), Page[KeyView])

    async def show(self, name: str) -> KeyView:
        """One public key, or NotFound."""
        return await self._transport.call("GET", below(_ALL, name), KeyView)

    async def use(self, name: str) -> KeyView:
        """Let a key sign from now on."""
        return await self._transport.call("POST", below(_ALL, name, "use"), KeyView)

    async def extend(self, name: str, days: int) -> KeyView:
        """Let a key expire later."""
        body = KeyExtension(days=days)
        return await self._transport.call("POST", below(_ALL, name, "extend"), KeyView, send=body)

    async def retire(self, name: str, *, revoke: bool = False) -> KeyView:
        """Never sign with a key again."""
        body = KeyRetirement(revoke=revoke)
        return await self._transport.call("POST", below(_ALL, name, "retire"), KeyView, send=body)

    async def keyring(self, repository: str) -> bytes:
        """All keys that clients of a repository have to trust, as `pacman-key --add` takes them."""
        return await self._transport.exchange("GET", below("repositories", repository, "keyring"))

    async def keyring_package(self, repository: str) -> tuple[str, bytes]:
        """File name and content of a package of these keys."""
        path = below("repositories", repository, "keyring", "package")
        async with self._transport.opened("GET", path) as answer:
            named = answer.content_disposition
            return (named.filename if named else None) or "keyring.pkg.tar.zst", await answer.read()

    async def publish_keyring(self, repository: str) -> PackageView:
        """Publish that package in the repository itself."""
        path = below("repositories", repository, "keyring", "package")
        return await self._transport.call("POST", path, PackageView)

    async def trust(self, repository: str, armored: str) -> RepositoryView:
        """Let the owner of a key sign what is uploaded."""
        path = below("repositories", repository, "trusted-keys")
        return await self._transport.call("POST", path, RepositoryView, send=TrustedKey(armored=armored))

    async def distrust(self, repository: str, fingerprint: str) -> RepositoryView:
        """Trust a key no more; NotFound."""
        path = below("repositories", repository, "trusted-keys", fingerprint)
        return await self._transport.call("DELETE", path, RepositoryView)
