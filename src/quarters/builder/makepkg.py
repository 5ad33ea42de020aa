"""How makepkg is called: its configuration, its environment, and the commands around it."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from quarters.builder import hooks, profiles
from quarters.builder.command import Command
from quarters.builder.products import SUFFIX
from quarters.builder.workspace import BUILD, OUT, PATH, RECIPE, SOURCES
from quarters.model.repository import Network
from quarters.protocol.builds import Assignment

CONFIGURATION = "etc/makepkg.quarters.conf"


def configuration(jobs: int, assignment: Assignment) -> str:
    """A makepkg.conf(5) that follows the root's own, but packs what a repository wants."""
    debug, ccache = ("" if on else "!" for on in (assignment.debug, assignment.ccache))
    return f"""\
for conf in /etc/makepkg.conf /etc/makepkg.conf.d/*.conf; do
  if [[ -r $conf ]]; then source "$conf"; fi
done
unset conf
if [[ " ${{OPTIONS[*]}} " == *" lto "* ]]; then OPTIONS=(lto); else OPTIONS=(!lto); fi
OPTIONS+=(strip docs !libtool !staticlibs emptydirs zipman purge {debug}debug)
BUILDENV=(!distcc color {ccache}ccache check !sign)
MAKEFLAGS=-j{jobs}
if [[ -z "{ccache}" && ! -d /usr/lib/ccache/bin ]]; then PATH=/usr/lib/ccache:$PATH; fi
{profiles.flags(assignment.profiles, assignment.arch)}
{assignment.makepkg_conf}
if [[ -r /{hooks.EXPORTED} ]]; then source /{hooks.EXPORTED}; fi
"""


def environment(assignment: Assignment) -> dict[str, str]:
    """All that a recipe finds in its environment."""
    return {
        "PATH": PATH,
        "HOME": f"/{BUILD}",
        "USER": "builder",
        "LOGNAME": "builder",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "MAKEPKG_CONF": f"/{CONFIGURATION}",
        "PKGDEST": f"/{OUT}",
        "SRCDEST": f"/{SOURCES}",
        "SRCPKGDEST": f"/{OUT}",
        "LOGDEST": f"/{BUILD}",
        "BUILDDIR": f"/{BUILD}",
        "PKGEXT": SUFFIX,
        "CARCH": assignment.arch,
        "PACKAGER": assignment.packager,
    }


def unpacking(assignment: Assignment, archive: Path, amendments: Sequence[str] = ()) -> Command:
    """Unpack the recipe's `archive` as the build user, so that nothing in it reaches beyond the root, and amend it."""
    lines = [
        "bsdtar --no-same-owner -xf -",
        "test -f PKGBUILD || { echo 'There is no PKGBUILD.'; exit 1; }",
        "if [ -d keys/pgp ]; then gpg --batch --quiet --import keys/pgp/*.asc; fi",
        *amendments,
    ]
    return Command(
        arguments=("bash", "-euc", "\n".join(lines)),
        environment=environment(assignment),
        folder=f"/{RECIPE}",
        stdin=archive,
        title="bsdtar -xf recipe.tar",
    )


def patching(assignment: Assignment, patch: str) -> Command:
    """Apply the file `patch` of the recipe's folder to what else is there."""
    return _as_builder(assignment, "patch", "-Np1", "-i", patch)


def amending(assignment: Assignment, amendments: Sequence[str]) -> Command:
    """Amend the recipe once its hooks have changed it."""
    command = _as_builder(assignment, "bash", "-euc", "\n".join(amendments))
    return msgspec.structs.replace(command, title="amend PKGBUILD")


def printing(assignment: Assignment) -> Command:
    """Print the recipe's metadata as it is now."""
    return _as_builder(assignment, "makepkg", "--printsrcinfo")


def fetching(assignment: Assignment) -> Command:
    """Fetch and verify the sources, with the network."""
    return Command(
        arguments=("makepkg", "--verifysource", "--nodeps", "--force"),
        environment=environment(assignment),
        folder=f"/{RECIPE}",
        network=True,
    )


def readying(assignment: Assignment) -> Command:
    """Unpack sources, prepare() and pkgver(), with the rights that everything else has, too."""
    return _makepkg(assignment, "--nobuild")


def listing(assignment: Assignment) -> Command:
    """Print the paths of the package files that would be made."""
    return _as_builder(assignment, "makepkg", "--packagelist")


def making(assignment: Assignment, *, ready: bool = False) -> Command:
    """Everything else, and all of it where sources are not made `ready` yet."""
    arguments = ["--noextract"] if ready else []
    if not assignment.checks:
        arguments += ["--nocheck"]
    return _makepkg(assignment, *arguments)


def _makepkg(assignment: Assignment, *arguments: str) -> Command:
    # Fetched sources are not looked for again where there is no network to do it with.
    hold = ("--holdver",) if fetches_first(assignment) else ()
    return Command(
        arguments=("makepkg", "--force", "--noconfirm", *hold, *arguments),
        environment=environment(assignment),
        folder=f"/{RECIPE}",
        network=assignment.network is Network.ALWAYS,
    )


def fetches_first(assignment: Assignment) -> bool:
    """Whether sources are fetched by a call of their own, because the build may not use the network."""
    return assignment.remote_sources and assignment.network is Network.SOURCES


def _as_builder(assignment: Assignment, *arguments: str) -> Command:
    return Command(arguments=arguments, environment=environment(assignment), folder=f"/{RECIPE}")
