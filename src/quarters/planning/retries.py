"""Whether a failed build is tried again, and when: only what a second try can mend, later each time, with a limit."""

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from quarters.model.build import Reason

Wait = Annotated[float, Meta(gt=0, le=31_536_000)]


class Retries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """After which waits, in seconds, a build that failed for a reason is tried again: one more try for each of them.

    What has no setting here lies in the recipe, and waits for a new one, for another dependency or for a person.
    """

    source_unavailable: tuple[Wait, ...] = (60, 300, 1500)
    """A source or a package could not be downloaded."""
    builder_lost: tuple[Wait, ...] = (2, 20, 200, 2000)
    """The builder went silent; the next one may be free at once, but a build that kills its builders must slow down."""
    disk_full: tuple[Wait, ...] = (300, 900, 2700)
    """The builder's disk was full."""
    dependency_missing: tuple[Wait, ...] = (60, 240, 960, 3840, 15360)
    """The builder's mirrors lacked what the server's upstreams have; mirrors follow each other within hours."""
    internal_error: tuple[Wait, ...] = (30, 300)
    """The builder itself failed."""
    out_of_memory: tuple[Wait, ...] = ()
    """The memory was used up."""
    prepare_failed: tuple[Wait, ...] = ()
    """prepare() or pkgver() failed."""
    build_failed: tuple[Wait, ...] = ()
    """build() failed."""
    check_failed: tuple[Wait, ...] = ()
    """check() failed; some tests do so now and then."""
    package_failed: tuple[Wait, ...] = ()
    """package() failed."""

    def waits(self, reason: Reason) -> tuple[float, ...]:
        """The wait before each further try of what failed for `reason`."""
        found: tuple[float, ...] = getattr(self, reason, ())
        return found

    def at(self, reason: Reason, attempts: int, now: datetime) -> datetime | None:
        """When a build that failed for `reason` on its `attempts`-th attempt (from 1) runs again; None if it does not."""
        waits = self.waits(reason)
        return now + timedelta(seconds=waits[attempts - 1]) if attempts <= len(waits) else None


DEFAULTS = Retries()
