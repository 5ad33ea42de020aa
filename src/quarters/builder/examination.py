"""Looks at a machine that is to build: what works, what does not, and how to mend it."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

from quarters.builder import cgroups, network, rootless
from quarters.builder.capacity import Capacity
from quarters.builder.engine.api import EngineError
from quarters.builder.engine.engine import Engine
from quarters.builder.failure import BuilderUnusable
from quarters.builder.findings import Finding, bad, doubtful, good
from quarters.builder.settings import BuilderSettings, NetworkIsolation
from quarters.builder.workspace import PATH
from quarters.model.errors import Forbidden, NotFound, QuartersError, Unauthenticated
from quarters.model.size import Size
from quarters.model.token import Scope, Token

_TOOLS = {
    "bwrap": "bubblewrap",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount (util-linux)",
    "gpg": "gnupg",
    "bsdtar": "libarchive (libarchive-tools)",
}
_LEAST_MEMORY, _MUCH_MEMORY = 256 << 20, 2 << 30
"""For each slot: below the first nothing can be built, below the second nothing large."""
_LEAST_DISK, _MUCH_DISK = 1 << 30, 20 << 30
_SKEW = 60.0
"""Seconds by which clocks may differ before signatures and certificates are doubted."""


class Isolating(Protocol):
    """An executor, or a cluster that builds are handed to."""

    name: str

    def check(self) -> None:
        """BuilderUnusable says what is missing."""
        ...


class Asked(Protocol):
    """What the examination asks of the server."""

    async def clock(self) -> datetime | None:
        """What the server's clock says; None if it does not."""
        ...

    async def token(self) -> Token:
        """The builder's token."""
        ...


def machine(settings: BuilderSettings, look_at_root: Callable[[], str]) -> Iterator[Finding]:
    """What there is without the server; `look_at_root` says what builds start from, or raises BuilderUnusable."""
    yield _folder(settings.data)
    if settings.executor == "sandbox":
        yield from _sandbox(settings)
        yield _root(look_at_root)
    yield _memory(settings)
    yield _disk(settings)


async def isolation(settings: BuilderSettings, executor: Callable[[], Isolating], engine: str) -> Finding:
    """Whether the executor finds what it needs; `engine` is the address of the container engine."""
    mend = f"Provide what {settings.executor} needs, or set builder.executor."
    try:
        chosen = executor()
        chosen.check()
        if chosen.name == "container":
            return good("executor", f"containers of {await _engine(engine)}")
    except (BuilderUnusable, EngineError) as error:
        return bad("executor", str(error), mend)
    return good("executor", f"{settings.executor} can isolate builds")


async def _engine(address: str) -> str:
    engine = Engine(address)
    try:
        return await engine.version()
    finally:
        await engine.close()


async def server(settings: BuilderSettings, asked: Asked, now: Callable[[], datetime]) -> list[Finding]:
    """Whether it answers, knows the builder, and has the same time."""
    try:
        clock = await asked.clock()
    except QuartersError as error:
        mend = "Set builder.server to its address, and builder.ca or builder.pin where its certificate is not believed."
        return [bad("server", str(error), mend)]
    found = [good("server", f"{settings.server} answers")]
    found.append(await _token(settings, asked))
    if clock is not None:
        found.append(_clock((now() - clock).total_seconds()))
    return found


async def _token(settings: BuilderSettings, asked: Asked) -> Finding:
    mend = (
        f"Make one on the server with `quarters token create {settings.name} --scope builder`, and set QUARTERS_TOKEN or "
        "builder.token."
    )
    if not settings.token:
        return bad("token", "There is no token.", mend)
    try:
        token = await asked.token()
    except (Unauthenticated, Forbidden) as error:
        return bad("token", f"The server does not take it: {error}", mend)
    except NotFound:
        return doubtful("token", "The server is too old to say whose it is.", "Bring the server up to date.")
    except QuartersError as error:
        return bad("token", str(error), mend)
    if not token.scope.allows(Scope.BUILDER):
        return bad("token", f"Its scope is {token.scope}, and a builder's is builder.", mend)
    if token.scope is Scope.BUILDER and token.name != settings.name:
        return bad("token", f"It belongs to {token.name}, and this builder is {settings.name}.", mend)
    return good("token", f"{settings.name} may build")


def _clock(seconds: float) -> Finding:
    if abs(seconds) <= _SKEW:
        return good("clock", "the server's and this machine's agree")
    direction = "ahead of" if seconds > 0 else "behind"
    return doubtful(
        "clock",
        f"This machine is {abs(seconds):.0f} s {direction} the server: what it signs may be refused.",
        "Let both follow a time server, such as by `timedatectl set-ntp true`.",
    )


def _folder(data: Path) -> Finding:
    existing = next(path for path in (data, *data.absolute().parents) if path.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return good("data", f"{data} can be written")
    return bad("data", f"{existing} cannot be written.", "Set builder.data to a folder of this user's.")


def _sandbox(settings: BuilderSettings) -> Iterator[Finding]:
    missing = {tool: package for tool, package in _TOOLS.items() if shutil.which(tool, path=PATH) is None}
    if missing:
        packages = ", ".join(dict.fromkeys(missing.values()))
        yield bad("tools", f"{', '.join(missing)} cannot be found.", f"Install {packages}.")
        return
    yield good("tools", ", ".join(_TOOLS))
    try:
        why = rootless.lacking(settings.data, PATH)
    except BuilderUnusable as error:
        why = str(error)
    user = "an ordinary user" if rootless.is_needed() else "root"
    if why:
        mend = "Run it as root, on a kernel of version 5.11 or newer, in no container that forbids mounts and namespaces."
        yield bad("namespaces", f"{user} cannot have namespaces with overlays: {why}", mend)
    else:
        yield good("namespaces", f"{user} can have them, with overlays")
    yield _control_groups()
    yield _network(settings.network_isolation)


def _control_groups() -> Finding:
    held = cgroups.found(only_look=True)
    wanted = (cgroups.MEMORY, cgroups.PROCESSES, cgroups.CPU)
    lacking = [name for name in wanted if name not in held.folders]
    if not lacking:
        return good("control groups", f"{', '.join(wanted)} of each build are limited by the kernel")
    return doubtful(
        "control groups",
        f"None can be had for {', '.join(lacking)}: limits are kept by looking every second.",
        "Run the builder as a systemd service with Delegate=yes, as packaging/ has it.",
    )


def _network(wanted: NetworkIsolation) -> Finding:
    if wanted is NetworkIsolation.OFF:
        return good("network", "recipes share the machine's, as builder.network_isolation has it")
    lacking = network.lack()
    if not lacking:
        return good("network", "recipes reach none of this machine's own services")
    mend = "Install slirp4netns and iproute2, and run the builder as root."
    if wanted is NetworkIsolation.ON:
        return bad("network", lacking, mend)
    return doubtful("network", f"{lacking} Recipes that fetch reach this machine's own services.", mend)


def _root(look: Callable[[], str]) -> Finding:
    try:
        return good("root", look())
    except BuilderUnusable as error:
        return bad("root", str(error), "Set builder.root, or the section `root` of the configuration.")


def _memory(settings: BuilderSettings) -> Finding:
    there = Capacity(settings).memory
    each = there // max(1, settings.slots)
    says = f"{Size(there)} for {settings.slots} at a time"
    if each < _LEAST_MEMORY:
        return bad("memory", f"Only {says}.", "Set fewer builder.slots, or more builder.memory.")
    if each < _MUCH_MEMORY:
        return doubtful("memory", f"Only {says}: large builds will fail.", "Set fewer builder.slots.")
    return good("memory", says)


def _disk(settings: BuilderSettings) -> Finding:
    existing = next(path for path in (settings.data, *settings.data.absolute().parents) if path.exists())
    state = os.statvfs(existing)
    free = state.f_bavail * state.f_frsize
    says = f"{Size(free)} are free for {settings.data}"
    mend = "Make room, or set builder.data to a folder on a larger disk."
    if free < _LEAST_DISK:
        return bad("disk", f"Only {says}.", mend)
    return (
        doubtful("disk", f"Only {says}: large builds will fail.", mend)
        if free < _MUCH_DISK
        else good("disk", says)
    )
