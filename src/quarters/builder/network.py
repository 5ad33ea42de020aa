"""A network of its own for what a recipe runs with network: the world is reached from there, this machine is not.

Whoever has the machine's network reaches its loopback services, and its sockets with abstract names (unix(7)). In a
network namespace there are neither; slirp4netns(1), a program in the machine's network, carries what goes further.
"""

import asyncio
import ctypes
import os
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import structlog

from quarters.builder import relay
from quarters.builder.cleanup import to_the_end
from quarters.builder.command import Command
from quarters.builder.failure import BuilderUnusable, BuildFailed
from quarters.builder.local import Place, named, own_addresses, reached
from quarters.builder.settings import NetworkIsolation
from quarters.builder.workspace import PATH
from quarters.model.build import Reason

_TOOLS = ("slirp4netns", "nsenter", "ip")
_CLONE_NEWNET = 0x40000000  # sched.h
# in.h and in6.h; the addresses are there only later
_FREEBIND = {socket.AF_INET: (socket.SOL_IP, 15), socket.AF_INET6: (socket.IPPROTO_IPV6, 78)}
_RANGE = "100.127.255.0/24"
"""Shared address space (RFC 6598) that hardly any network uses."""
RESOLVER = "nameserver 100.127.255.3\n"
"""The resolv.conf(5) of such a namespace: slirp4netns answers at the third address, as the machine would."""
_METADATA = "169.254.0.0/16"
"""Link-local addresses (RFC 3927), at which machines of clouds hand out credentials."""
_report = structlog.stdlib.get_logger(__name__)


class Namespace(NamedTuple):
    """An open network namespace."""

    descriptor: int

    @property
    def path(self) -> str:
        """Where this machine's tools find it."""
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    @property
    def entering(self) -> list[str]:
        """The beginning of a command line that is run in there."""
        return ["nsenter", f"--net={self.path}", "--"]


class Networks:
    """Makes a namespace for each command that is to have the network and runs what a recipe says."""

    def __init__(self, wanted: NetworkIsolation, allowed: Collection[str], server: str) -> None:
        """`allowed` are places of this machine as `address:port`; hooks reach `server`, too, by its URL."""
        self._wanted = wanted
        self._allowed = named(allowed)
        self._server = server
        self._possible = False

    def check(self) -> None:
        """BuilderUnusable if builds are to have networks of their own and cannot."""
        if self._wanted is NetworkIsolation.ON and (lacking := lack()):
            raise BuilderUnusable(lacking)

    async def start(self) -> None:
        """Find out whether it works; BuilderUnusable as `check`."""
        self.check()
        if self._wanted is NetworkIsolation.OFF:
            return
        lacking = lack()
        if not lacking:
            try:
                async with self._made(()):
                    self._possible = True
            except BuildFailed as failed:
                lacking = str(failed)
        if lacking and self._wanted is NetworkIsolation.ON:
            raise BuilderUnusable(lacking)
        if lacking:
            _report.warning(
                "recipes reach this machine's own services while they have the network", why=lacking
            )

    @asynccontextmanager
    async def of(self, command: Command) -> AsyncIterator[Namespace | None]:
        """The namespace for `command`; None where it has none at all, or the machine's own.

        What pacman downloads runs nothing of any recipe. BuildFailed if the namespace cannot be made.
        """
        if not command.network or command.downloading or not self._possible:
            yield None
            return
        proxies = [value for name, value in command.environment.items() if name.lower().endswith("_proxy")]
        urls = [*proxies, *([self._server] if command.installing else [])]
        places = {*self._allowed, *await asyncio.to_thread(reached, urls)}
        async with self._made(places) as namespace:
            yield namespace

    @asynccontextmanager
    async def _made(self, places: Collection[Place]) -> AsyncIterator[Namespace]:
        async with AsyncExitStack() as stack:
            try:
                descriptor, sockets = await asyncio.to_thread(_opened, places)
                stack.callback(os.close, descriptor)
                namespace = Namespace(descriptor)
                for place, listening in zip(places, sockets, strict=True):
                    await stack.enter_async_context(relay.between(listening, place))
                await stack.enter_async_context(_connected(namespace))
            except OSError as error:
                raise _failed(str(error)) from error
            yield namespace


def lack() -> str:
    """What keeps commands from having networks of their own here, as a sentence; "" if nothing does."""
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=PATH) is None]
    if os.geteuid() != 0:
        return "Only root can give builds a network of their own."
    if missing:
        return f"{', '.join(missing)} cannot be found; install slirp4netns and iproute2."
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "/dev/net/tun is missing, which slirp4netns needs; load the kernel's module tun."
    return ""


@asynccontextmanager
async def _connected(namespace: Namespace) -> AsyncIterator[None]:
    """Meanwhile, slirp4netns connects it with the world, but not with this machine."""
    reader, writer = os.pipe()
    # If the builder dies, so does it; the check closes the moment before that was arranged.
    script = f'[ "$PPID" = {os.getpid()} ] && exec "$@"'
    try:
        process = await asyncio.create_subprocess_exec(
            "setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", script, "sh",
            "slirp4netns", "--configure", "--mtu=65520", f"--cidr={_RANGE}", "--disable-host-loopback",
            "--enable-sandbox", "--enable-seccomp", f"--ready-fd={writer}", "--netns-type=path", namespace.path, "tap0",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": PATH}, cwd="/", pass_fds=(writer,),
        )  # fmt: skip
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    try:
        try:
            if not await asyncio.to_thread(os.read, reader, 1):
                raise _failed("slirp4netns ended at once")
        finally:
            os.close(reader)
        await _shut(namespace)
        yield
    finally:
        await to_the_end(_ended(process))


async def _shut(namespace: Namespace) -> None:
    """Let the machine's own addresses lead nowhere but into the namespace itself."""
    lines = [f"address add {address}/32 dev lo" for address in await own_addresses()]
    lines.append(f"route add unreachable {_METADATA}")
    process = await asyncio.create_subprocess_exec(
        *namespace.entering, "ip", "-4", "-batch", "-",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env={"PATH": PATH},
    )  # fmt: skip
    try:
        _, said = await process.communicate("".join(f"{line}\n" for line in lines).encode())
    finally:
        await to_the_end(_ended(process))
    if process.returncode:
        raise _failed(said.decode(errors="replace").strip())


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


def _opened(places: Collection[Place]) -> tuple[int, list[socket.socket]]:
    """A new network namespace, and sockets in it that listen at `places`; OSError if the kernel forbids that."""
    found: list[tuple[int, list[socket.socket]]] = []
    errors: list[OSError] = []

    def enter() -> None:
        # Of a thread of its own, since it cannot come back from there.
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            sockets = list(_listening(places))
            found.append((os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC), sockets))
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return found[0]


def _listening(places: Collection[Place]) -> Iterator[socket.socket]:
    for place in places:
        listening = socket.socket(socket.AF_INET6 if ":" in place.address else socket.AF_INET)
        listening.setsockopt(*_FREEBIND[listening.family], 1)
        listening.bind(place)
        listening.listen()
        yield listening


def _failed(why: str) -> BuildFailed:
    return BuildFailed(
        Reason.INTERNAL_ERROR, f"The build's own network could not be set up: {why.rstrip('.')}."
    )
