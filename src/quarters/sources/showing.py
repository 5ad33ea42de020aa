"""Where changes of trees that wait are shown beside Quarters itself: settings of people."""

from sqlalchemy import Connection

from quarters.model.errors import Invalid
from quarters.model.forge import Forge, ForgeKind
from quarters.protocol.forges import NewForge
from quarters.sources.locations import check_url
from quarters.storage import forges, sources
from quarters.storage.database import Database
from quarters.storage.wakeups import Topic, Wakeups

_USUAL = {ForgeKind.GITHUB: "https://github.com", ForgeKind.GITLAB: "https://gitlab.com"}


class Showing:
    """At which forge the changes of a source become merge requests."""

    def __init__(self, database: Database, wakeups: Wakeups) -> None:
        self._database = database
        self._wakeups = wakeups

    async def show(self, source: str) -> Forge:
        """Where, without the token; NotFound."""

        def read(connection: Connection) -> Forge:
            sources.get(connection, source)
            return forges.get(connection, source).forge

        return await self._database.read(read)

    async def set(self, source: str, new: NewForge) -> Forge:
        """Show them there from now on; Invalid (address, or no tree), NotFound (source)."""
        url = (new.url or _USUAL.get(new.kind, "")).rstrip("/")
        if not url:
            raise Invalid(f"Give the address of the {new.kind}; there is more than one.")
        check_url(url, ("https", "http"))
        forge = Forge(kind=new.kind, url=url, project=new.project, assignee=new.assignee)

        def put(connection: Connection) -> None:
            kind = sources.get(connection, source).kind
            if kind != "tree":
                raise Invalid(f"A source of kind {kind!r} is changed by nobody here; only a tree is.")
            forges.put(connection, source, forge, new.token)

        await self._database.write(put)
        self._wakeups.notify(Topic.SOURCES)
        return forge

    async def remove(self, source: str) -> None:
        """Show them nowhere else from now on; what is open there stays, and is followed no more. NotFound."""

        def forget(connection: Connection) -> None:
            sources.get(connection, source)
            forges.remove(connection, source)

        await self._database.write(forget)
