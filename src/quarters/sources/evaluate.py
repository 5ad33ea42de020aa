"""A PKGBUILD's metadata where no .SRCINFO tells it: makepkg in a sandbox without network, rights or much of anything."""

import asyncio
import re
from collections.abc import Awaitable, Callable

from quarters.model.errors import RecipeInvalid, Unavailable
from quarters.sources.complaints import complaint
from quarters.sources.isolation import Ended, Limits, isolated, run
from quarters.sources.processes import TooMuch

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
cd /recipe
print() {
  chmod -R a-w /recipe
  exec makepkg --printsrcinfo
}
"""
_AS_IT_IS = "print"
# In the order, and as far as it goes with the rights, in which a build carries hooks out. What they print is no metadata,
# and they may leave by `exit`.
_AS_HOOKS_LEAVE_IT = """
exec 3>&1 >&2
hook() {
  local place
  for place in .quarters .CI; do
    if [[ -f $place/$1 ]]; then printf %s "$place/$1"; break; fi
  done
}
around() {
  cd /recipe
  local before after patch
  patch=$(hook interfere.patch)
  [[ -z $patch ]] || patch -Np1 <"$patch"
  before=$(hook PKGBUILD.prepend) after=$(hook PKGBUILD.append)
  for part in "$before" PKGBUILD "$after"; do [[ -z $part ]] || { cat "$part"; echo; }; done >/tmp/PKGBUILD
  cp /tmp/PKGBUILD PKGBUILD
  exec >&3 3>&-
  print
}
pacman() { :; }
sudo() { "$@"; }
export -f pacman sudo
export CAUR_PUSH="bash -c" CARCH=$(uname -m)
prepare=$(hook prepare)
trap 'trap - EXIT; around' EXIT
if [[ $prepare ]]; then source "./$prepare"; fi
exit
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

    async def srcinfo(self, archive: Callable[[], Awaitable[bytes]], *, hooks: bool = False) -> str:
        """The .SRCINFO of the recipe whose folder `archive` brings as a tar archive, once it is this one's turn.

        With `hooks`, that of the recipe as those of its hooks leave it that come before a build.
        RecipeInvalid says what is wrong with the recipe, SandboxUnusable that this machine cannot evaluate any.
        """
        async with self._turn:
            files = await archive()
            if len(files) > _ROOM:
                raise RecipeInvalid(
                    f"The recipe's folder has {len(files) >> 20} MiB, too much to evaluate it."
                )
            ended = await self._run(files, _AS_HOOKS_LEAVE_IT if hooks else _AS_IT_IS)
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

    async def _run(self, archive: bytes, script: str) -> Ended:
        try:
            limits = Limits(self._timeout, _MAX_OUTPUT, _MAX_ERRORS)
            return await run(_command(script, self._timeout), archive, limits)
        except (FileNotFoundError, PermissionError):
            raise SandboxUnusable(_NOT_INSTALLED) from None
        except TimeoutError:
            raise RecipeInvalid(
                f"The PKGBUILD did not end: it was stopped after {self._timeout:g} seconds."
            ) from None
        except TooMuch as error:
            raise RecipeInvalid(
                f"The PKGBUILD printed more than {error.limit >> 10} KiB while it was evaluated."
            ) from None


def _command(script: str, timeout: float) -> list[str]:
    arguments = isolated(memory=("/tmp", "/recipe"), disk={})
    return [*arguments, "--", "bash", "-c", _SCRIPT + script, "evaluate", str(max(1, round(timeout)))]


_NOT_INSTALLED = (
    "This recipe has no current .SRCINFO, and bubblewrap (bwrap), which is needed to evaluate its PKGBUILD, is not "
    "installed; install it, or commit a .SRCINFO."
)


def _mend(ended: Ended) -> str:
    lines = ended.err.decode(errors="replace").strip().splitlines()
    why = lines[0].removeprefix("bwrap: ").rstrip(".") if lines else f"exit code {ended.exit_code}"
    return (
        "This recipe has no current .SRCINFO, and its PKGBUILD cannot be evaluated because bubblewrap makes no "
        f"sandbox here ({why}); allow user namespaces (sysctl user.max_user_namespaces), or commit a .SRCINFO."
    )
