"""A PKGBUILD's metadata where no .SRCINFO tells it: makepkg in a sandbox without network, rights or much of anything."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from quarters.model.errors import RecipeInvalid, Unavailable
from quarters.sources.complaints import complaint
from quarters.sources.processes import TooMuch, end, feed, read, together

_NOBODY = 65534
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
_BEGUN = b"begun\n"
# The recipe is unpacked here and not on the server's disk, so that nothing of it ever is. Limits: CPU seconds, bytes of
# a file (ulimit counts KiB), of core dumps, of address space; processes count within this user namespace alone.
_SCRIPT = """
echo begun
ulimit -t "$1" -f 65536 -c 0 -v 1048576 -n 256
ulimit -u 64
echo 1000 >/proc/self/oom_score_adj
bsdtar -x -f - -C /recipe --no-same-owner || exit 99
exec </dev/null
chmod -R a-w /recipe
cd /recipe && exec makepkg --printsrcinfo
"""
_ROOM = 64 << 20
"""Bytes that the recipe's files may take, and as many again in /tmp."""
_METADATA = re.compile(r"\s*\w+ = ")
_MAX_OUTPUT = 1 << 20
_MAX_ERRORS = 64 << 10


class SandboxUnusable(Unavailable):
    """Recipes without a .SRCINFO cannot be read here, since bubblewrap does not work."""


class Evaluator:
    """Runs makepkg on recipes, at most `at_once` of them side by side, each for at most `timeout` seconds."""

    def __init__(self, timeout: float, at_once: int) -> None:
        self._timeout = timeout
        self._turn = asyncio.Semaphore(at_once)

    async def srcinfo(self, archive: Callable[[], Awaitable[bytes]]) -> str:
        """The .SRCINFO of the recipe whose folder `archive` brings as a tar archive, once it is this one's turn.

        RecipeInvalid says what is wrong with the recipe, SandboxUnusable that this machine cannot evaluate any.
        """
        async with self._turn:
            files = await archive()
            if len(files) > _ROOM:
                raise RecipeInvalid(
                    f"The recipe's folder has {len(files) >> 20} MiB, too much to evaluate it."
                )
            ended = await self._run(files)
        if not ended.out.startswith(_BEGUN):
            raise SandboxUnusable(_mend(ended))
        if ended.exit_code != 0:
            raise RecipeInvalid(complaint(ended.err.decode(errors="replace"), ended.exit_code))
        text = ended.out.removeprefix(_BEGUN).decode(errors="replace")
        # What the recipe itself printed comes before, or as its shell ends after.
        lines = text[text.rfind("\npkgbase = ") + 1 :].splitlines(keepends=True)
        while lines and not _METADATA.match(lines[-1]):
            lines.pop()
        return "".join(lines)

    async def _run(self, archive: bytes) -> "_Ended":
        # Root drops to nobody before anything else: inside of the sandbox, nothing is owned by a real root.
        user, others = (_NOBODY, ()) if os.geteuid() == 0 else (None, None)
        try:
            process = await asyncio.create_subprocess_exec(
                *command(self._timeout),
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
        except (FileNotFoundError, PermissionError):
            raise SandboxUnusable(_NOT_INSTALLED) from None
        try:
            async with asyncio.timeout(self._timeout):
                _, out, err = await together(
                    feed(process.stdin, archive),
                    read(process.stdout, _MAX_OUTPUT),
                    read(process.stderr, _MAX_ERRORS),
                )
                return _Ended(await process.wait(), out, err)
        except TimeoutError:
            raise RecipeInvalid(
                f"The PKGBUILD did not end: it was stopped after {self._timeout:g} seconds."
            ) from None
        except TooMuch as error:
            raise RecipeInvalid(
                f"The PKGBUILD printed more than {error.limit >> 10} KiB while it was evaluated."
            ) from None
        finally:
            # Its processes have a namespace of their own: none of them outlives bwrap.
            await end(process)


class _Ended(msgspec.Struct, frozen=True):
    exit_code: int
    out: bytes
    err: bytes


def command(timeout: float) -> list[str]:
    """The sandbox: nothing but /usr and some of /etc, both read-only; what can be written is small and vanishes."""
    arguments = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    arguments += ["--uid", str(_NOBODY), "--gid", str(_NOBODY), "--cap-drop", "ALL", "--hostname", "sandbox"]
    arguments += ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib64", "lib32"):
        top = Path("/", name)
        if top.is_symlink():
            arguments += ["--symlink", str(top.readlink()), str(top)]
        elif top.exists():
            arguments += ["--ro-bind", str(top), str(top)]
    for name in _READ_ONLY_ETC:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/recipe"):
        arguments += ["--size", str(_ROOM), "--tmpfs", folder]
    arguments += ["--remount-ro", "/dev", "--remount-ro", "/"]
    environment = {"PATH": "/usr/bin:/bin:/usr/bin/core_perl", "HOME": "/tmp", "LC_ALL": "C.UTF-8"}
    environment |= dict.fromkeys(("BUILDDIR", "PKGDEST", "SRCDEST", "SRCPKGDEST", "LOGDEST"), "/tmp")
    for name, value in environment.items():
        arguments += ["--setenv", name, value]
    return [*arguments, "--", "bash", "-c", _SCRIPT, "evaluate", str(max(1, round(timeout)))]


_NOT_INSTALLED = (
    "This recipe has no current .SRCINFO, and bubblewrap (bwrap), which is needed to evaluate its PKGBUILD, is not "
    "installed; install it, or commit a .SRCINFO."
)


def _mend(ended: _Ended) -> str:
    lines = ended.err.decode(errors="replace").strip().splitlines()
    why = lines[0].removeprefix("bwrap: ").rstrip(".") if lines else f"exit code {ended.exit_code}"
    return (
        "This recipe has no current .SRCINFO, and its PKGBUILD cannot be evaluated because bubblewrap makes no "
        f"sandbox here ({why}); allow user namespaces (sysctl user.max_user_namespaces), or commit a .SRCINFO."
    )
