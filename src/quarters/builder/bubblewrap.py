"""Runs one command in a root: overlays in a mount namespace of its own, and bubblewrap inside of that.

Nothing is ever mounted where the machine can see it, so nothing can stay mounted; and everything that a command
starts lives in a process namespace whose end is the command's end, this process's end, or a kill.
"""

import asyncio
import os
import re
import shlex
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

import msgspec

from quarters.builder import rootless, seccomp
from quarters.builder.cleanup import to_the_end
from quarters.builder.command import BUILD_USER, Command
from quarters.builder.failure import BuildFailed
from quarters.builder.network import RESOLVER, Namespace
from quarters.builder.watchdog import Watchdog
from quarters.builder.workspace import OWN, PATH, Workspace
from quarters.model.build import Reason

_PIECE = 64 << 10
_CHILD = re.compile(rb'"child-pid": (\d+)')
INSTALLING = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SYS_CHROOT", "SETFCAP", "SETUID", "SETGID")
"""What pacman needs to own and label files and to run scriptlets; SETUID and SETGID for pacman 7's own sandbox."""
_OWN = ("tmp", "var/tmp", *OWN)


class Layer(msgspec.Struct, frozen=True):
    """A folder that is seen at `point` in the root ("" for the root itself) and never written to."""

    lower: Path
    point: str = ""
    skeleton: str = ""
    """A folder of folders above it that an ordinary user can write to."""

    @property
    def lowers(self) -> str:
        """As the option `lowerdir` of overlays takes it."""
        return f"{self.skeleton}:{self.lower}" if self.skeleton else str(self.lower)


class Surroundings(NamedTuple):
    """What a command has beside its root: folders below `stores`, and limits; None is the machine's network, if any."""

    stores: Path
    watchdog: Watchdog
    namespace: Namespace | None = None


async def run(
    command: Command,
    layers: tuple[Layer, ...],
    workspace: Workspace,
    around: Surroundings,
    output: Callable[[bytes], None],
) -> int:
    """Run `command` in the root that `layers` and what `workspace` changed make; return its exit code.

    What it prints goes to `output`; if that raises, or the caller is cancelled, the command is killed. When this returns
    or raises, no process of the command is left. BuildFailed if it passed a limit.
    """
    reader, writer = os.pipe()
    filter_ = _filter(command) if command.installing else None
    handed = tuple(descriptor for descriptor in (writer, filter_) if descriptor is not None)
    try:
        with (command.stdin or Path(os.devnull)).open("rb") as stdin:
            process = await asyncio.create_subprocess_exec(
                *_outer(
                    [
                        *around.watchdog.joining,
                        *_mounts(layers, workspace),
                        *_shared(command, workspace, around.stores),
                        *(_resolver(workspace, around.namespace) if command.network else ()),
                    ],
                    workspace,
                    [
                        *(around.namespace.entering if around.namespace else ()),
                        *_inner(command, workspace, handed),
                    ],
                ),
                stdin=stdin,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                env={"PATH": PATH, "LANG": "C.UTF-8"},
                cwd="/",
                pass_fds=handed,
            )
    except BaseException:
        os.close(reader)
        raise
    finally:
        for descriptor in handed:
            os.close(descriptor)
    supervised = _Supervised(process, reader)
    try:
        written = [around.stores / it.name for it in command.stores if it.writable]
        around.watchdog.follow(process.pid, written)
        return await around.watchdog.over(supervised.follow(output))
    finally:
        await to_the_end(supervised.end())


class _Supervised:
    """A running sandbox: its outer process, and a hold on the first process inside, whose end is everybody's end."""

    def __init__(self, process: asyncio.subprocess.Process, information: int) -> None:
        self._process = process
        self._information = information
        self._inside: int | None = None

    async def follow(self, output: Callable[[bytes], None]) -> int:
        """Hand on what is printed until the end; BuildFailed if the sandbox itself did not come about."""
        await self._enter()
        assert self._process.stdout is not None  # noqa: S101
        said = b""
        while piece := await self._process.stdout.read(_PIECE):
            if self._inside is None:
                said = (said + piece)[-_PIECE:]
            else:
                output(piece)
        code = await self._process.wait()
        if self._inside is None:
            raise BuildFailed(
                Reason.INTERNAL_ERROR,
                f"The sandbox could not be set up: {said.decode(errors='replace').strip()}",
                exit_code=code,
            )
        return code if code >= 0 else 128 - code

    async def end(self) -> None:
        """Kill what still runs and wait until nothing is left."""
        # A process that bubblewrap has just made does not yet die with it: it is in the group until it has a session of
        # its own, and known by its handle soon.
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._inside is not None:
            with suppress(OSError):  # it has ended
                signal.pidfd_send_signal(self._inside, signal.SIGKILL)
        assert self._process.stdout is not None  # noqa: S101
        while await self._process.stdout.read(_PIECE):
            pass  # asyncio does not see the end of a process whose pipe is full
        await self._process.wait()
        os.close(self._information)
        if self._inside is not None:
            await _readable(self._inside)
            os.close(self._inside)

    async def _enter(self) -> None:
        information = b""
        while _CHILD.search(information) is None:
            await _readable(self._information)
            piece = os.read(self._information, 4096)
            if not piece:
                return
            information += piece
        found = _CHILD.search(information)
        assert found is not None  # noqa: S101
        try:
            self._inside = os.pidfd_open(int(found[1]))
        except ProcessLookupError:
            # It has ended already, and all in its namespace with it; any readable descriptor says so.
            self._inside = os.open(os.devnull, os.O_RDONLY)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    try:
        loop.add_reader(descriptor, lambda: None if ready.done() else ready.set_result(None))
    except PermissionError:  # what epoll does not take is always readable
        return
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


def _filter(command: Command) -> int | None:
    program = seccomp.restricted(local_sockets=command.local_sockets)
    if not program:
        return None
    descriptor = os.memfd_create("filter")
    os.write(descriptor, program)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _outer(mounts: list[str], workspace: Workspace, inner: list[str]) -> list[str]:
    # The kernel kills the first process if the builder dies; the check closes the moment before that was arranged.
    script = "\n".join(
        [
            f'[ "$PPID" = {os.getpid()} ] || exit 1',
            *mounts,
            # /tmp can be reached by every user, which the workspace's own path cannot; nobody outside sees this.
            f"mount --rbind {shlex.quote(str(workspace.point))} /tmp",
            "exec " + shlex.join(inner),
        ]
    )
    # In this order: who enters a user namespace is no longer killed with its parent.
    apart = ["unshare", *rootless.namespace(), "--mount", "--propagation", "private", "--"]
    return [*apart, "setpriv", "--pdeathsig", "KILL", "--", "/bin/sh", "-euc", script]


def _mounts(layers: tuple[Layer, ...], workspace: Workspace) -> list[str]:
    lines = []
    for layer in layers:
        upper = workspace.changes if not layer.point else workspace.folder / f"changes-{layer.point}"
        point = workspace.point / layer.point
        upper.mkdir(exist_ok=True)
        # `volatile`: what is thrown away need not be synced, and its scratch folder cannot be used twice.
        scratch = mkdtemp(prefix="scratch-", dir=workspace.folder)
        options = f"lowerdir={layer.lowers},upperdir={upper},workdir={scratch},index=off,volatile"
        options += rootless.overlay_options()
        lines.append(shlex.join(["mount", "-t", "overlay", "overlay", "-o", options, str(point)]))
    return lines


def _shared(command: Command, workspace: Workspace, stores: Path) -> list[str]:
    lines: list[str] = []
    if not command.installing and rootless.is_needed():
        # These are put in place by bubblewrap, which follows links on this machine.
        lines += [line for name in _OWN for line in _folders(workspace, workspace.point / name)]
    for store in command.stores:
        point = workspace.point / store.point.lstrip("/")
        rights = "bind" if store.writable else "bind,ro"
        lines += [
            *_folders(workspace, point),
            shlex.join(["mount", "-o", rights, str(stores / store.name), str(point)]),
        ]
    return lines


def _folders(workspace: Workspace, path: Path) -> list[str]:
    # A link that a hook made would lead to where this machine's own programs are. Nothing of the build runs meanwhile.
    below = [it for it in reversed((path, *path.parents)) if workspace.point in it.parents]
    quoted = [shlex.quote(str(it)) for it in below]
    return [f"if [ -L {at} ] || [ ! -d {at} ]; then rm -rf {at}; mkdir -m 755 {at}; fi" for at in quoted]


def _resolver(workspace: Workspace, namespace: Namespace | None) -> list[str]:
    # Bound, not written: after packages were installed, nobody may write to paths that they could have made links of,
    # nor mount over what these lead to.
    folder, file = (shlex.quote(str(workspace.point / name)) for name in ("etc", "etc/resolv.conf"))
    own = shlex.quote(str(workspace.folder / "resolv.conf")) if namespace else "/etc/resolv.conf"
    return [
        *([f"echo {shlex.quote(RESOLVER)} >{own}; chmod 644 {own}"] if namespace else []),
        f"if [ -e {own} ] && [ -d {folder} ] && [ ! -L {folder} ]; then",
        f"  if [ -L {file} ] || [ ! -f {file} ]; then rm -rf {file}; : >{file}; fi",
        f"  mount --bind {own} {file}",
        "fi",
    ]


def _root(command: Command) -> list[str]:
    if command.installing or not rootless.is_needed():
        return ["--bind", "/tmp", "/"]
    # There is but one user here; so what a build may write to is told by mounts, not by owners.
    own = [*_OWN, *(store.point.lstrip("/") for store in command.stores if store.writable)]
    binds = [part for name in own for part in ("--bind", f"/tmp/{name}", f"/{name}")]
    return ["--ro-bind", "/tmp", "/", *binds]


def _inner(command: Command, workspace: Workspace, handed: tuple[int, ...]) -> list[str]:
    information, *filters = map(str, handed)
    bwrap = ["bwrap", "--die-with-parent", "--new-session", "--info-fd", information]
    bwrap += [part for filter_ in filters for part in ("--seccomp", filter_)]
    bwrap += [
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--hostname",
        "quarters",
    ]
    if not command.network:
        bwrap += ["--unshare-net"]
    if command.installing:
        before: list[str] = []
        bwrap += ["--cap-drop", "ALL", *(part for cap in INSTALLING for part in ("--cap-add", f"CAP_{cap}"))]
    elif rootless.is_needed():
        before = []
    else:
        user = str(workspace.uid)
        before = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--pdeathsig", "KILL", "--"]
    if not command.installing:
        bwrap += ["--unshare-user", "--uid", str(BUILD_USER), "--gid", str(BUILD_USER), "--cap-drop", "ALL"]
    bwrap += [*_root(command), "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run"]
    if command.installing:
        # The kernel's settings in /proc/sys go by the user, not by capabilities: to a scriptlet, which is the machine's
        # root, they would be open, and with them (core_pattern) the machine.
        bwrap += ["--remount-ro", "/proc"]
    bwrap += ["--clearenv", *(part for pair in command.environment.items() for part in ("--setenv", *pair))]
    return [*before, *bwrap, "--chdir", command.folder, "--", *command.arguments]
