"""The sandbox in which what strangers wrote is run: bubblewrap, with nothing of the machine but its programs."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from quarters.sources.processes import end, feed, read, together

NOBODY = 65534
_READ_ONLY_ETC = (
    # What makepkg and the tools it starts look at: no accounts' secrets, no host's name, no keys.
    "makepkg.conf",
    "makepkg.conf.d",
    "makepkg.d",
    "pacman.conf",
    "ld.so.cache",
    "passwd",
    "alternatives",
)
_NETWORK_ETC = (
    "resolv.conf",
    "hosts",
    "nsswitch.conf",
    "gai.conf",
    "services",
    "protocols",
    "ssl",
    "ca-certificates",
    "pki",
)
_ROOM = 64 << 20
"""Bytes that a folder in memory may hold."""


class Limits(msgspec.Struct, frozen=True):
    """Seconds that something may take, and bytes that it may print on each of its two outputs."""

    timeout: float
    output: int
    errors: int


class Ended(msgspec.Struct, frozen=True):
    """How it ended, and what it printed."""

    exit_code: int
    out: bytes
    err: bytes


def isolated(
    *, memory: Iterable[str], disk: Mapping[str, Path], readable: Iterable[Path] = (), network: bool = False
) -> list[str]:
    """bwrap's arguments up to the program: /usr and some of /etc, both read-only, and `readable` as they are.

    `memory` are folders of 64 MiB that vanish, `disk` those that are a folder outside, by their path inside.
    """
    arguments = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    arguments += ["--share-net"] if network else []
    arguments += ["--uid", str(NOBODY), "--gid", str(NOBODY), "--cap-drop", "ALL", "--hostname", "sandbox"]
    arguments += ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib64", "lib32"):
        top = Path("/", name)
        if top.is_symlink():
            arguments += ["--symlink", str(top.readlink()), str(top)]
        elif top.exists():
            arguments += ["--ro-bind", str(top), str(top)]
    for name in (*_READ_ONLY_ETC, *(_NETWORK_ETC if network else ())):
        arguments += ["--ro-bind-try", str(Path("/etc", name).resolve()), f"/etc/{name}"]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    for folder in memory:
        arguments += ["--size", str(_ROOM), "--tmpfs", folder]
    for inside, outside in disk.items():
        arguments += ["--bind", str(outside), inside]
    for path in readable:
        arguments += ["--ro-bind", str(path), str(path)]
    arguments += ["--remount-ro", "/dev", "--remount-ro", "/"]
    environment = {"PATH": "/usr/bin:/bin:/usr/bin/core_perl", "HOME": "/tmp", "LC_ALL": "C.UTF-8"}
    environment |= dict.fromkeys(("BUILDDIR", "PKGDEST", "SRCDEST", "SRCPKGDEST", "LOGDEST"), "/tmp")
    for name, value in environment.items():
        arguments += ["--setenv", name, value]
    return arguments


async def run(arguments: Iterable[str], given: bytes, limits: Limits) -> Ended:
    """Run bwrap as nobody; FileNotFoundError, PermissionError, TimeoutError, or TooMuch."""
    # Root drops to nobody before anything else: inside of the sandbox, nothing is owned by a real root.
    user, others = (NOBODY, ()) if os.geteuid() == 0 else (None, None)
    process = await asyncio.create_subprocess_exec(
        *arguments,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        user=user,
        group=user,
        extra_groups=others,
    )
    try:
        async with asyncio.timeout(limits.timeout):
            _, out, err = await together(
                feed(process.stdin, given),
                read(process.stdout, limits.output),
                read(process.stderr, limits.errors),
            )
            return Ended(await process.wait(), out, err)
    finally:
        # Its processes have a namespace of their own: none of them outlives bwrap.
        await end(process)
