"""How makepkg is called: its configuration, its environment, what a build's own copy of the recipe gets added."""

import shlex
from pathlib import Path

from quarters.builder.command import Command
from quarters.builder.products import SUFFIX
from quarters.builder.workspace import BUILD, OUT, PATH, RECIPE, SOURCES
from quarters.model.build import Bump
from quarters.model.repository import Network
from quarters.protocol.builds import Assignment

CONFIGURATION = "etc/makepkg.quarters.conf"


def configuration(jobs: int) -> str:
    """A makepkg.conf(5) that follows the root's own, but packs what a repository wants."""
    return f"""\
for conf in /etc/makepkg.conf /etc/makepkg.conf.d/*.conf; do
  if [[ -r $conf ]]; then source "$conf"; fi
done
unset conf
if [[ " ${{OPTIONS[*]}} " == *" lto "* ]]; then OPTIONS=(lto); else OPTIONS=(!lto); fi
OPTIONS+=(strip docs !libtool !staticlibs emptydirs zipman purge !debug)
BUILDENV=(!distcc color !ccache check !sign)
MAKEFLAGS=-j{jobs}
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


def unpacking(assignment: Assignment, archive: Path) -> Command:
    """Unpack the recipe's `archive` as the build user, so that nothing in it reaches beyond the root, and amend it."""
    lines = [
        "bsdtar --no-same-owner -xf -",
        "test -f PKGBUILD || { echo 'There is no PKGBUILD.'; exit 1; }",
        "if [ -d keys/pgp ]; then gpg --batch --quiet --import keys/pgp/*.asc; fi",
        *(f"printf '\\n%s' {shlex.quote(line)} >>PKGBUILD" for line in _amendments(assignment)),
    ]
    return Command(
        arguments=("bash", "-euc", "\n".join(lines)),
        environment=environment(assignment),
        folder=f"/{RECIPE}",
        stdin=archive,
        title="bsdtar -xf recipe.tar",
    )


def fetching(assignment: Assignment) -> Command:
    """Fetch and verify the sources, with the network."""
    return Command(
        arguments=("makepkg", "--verifysource", "--nodeps", "--force"),
        environment=environment(assignment),
        folder=f"/{RECIPE}",
        network=True,
    )


def making(assignment: Assignment) -> Command:
    """Everything else; fetched sources are not looked for again where there is no network to do it with."""
    arguments = ["makepkg", "--force", "--noconfirm"]
    if fetches_first(assignment):
        arguments += ["--holdver"]
    if not assignment.checks:
        arguments += ["--nocheck"]
    return Command(
        arguments=tuple(arguments),
        environment=environment(assignment),
        folder=f"/{RECIPE}",
        network=assignment.network is Network.ALWAYS,
    )


def fetches_first(assignment: Assignment) -> bool:
    """Whether sources are fetched by a call of their own, because the build may not use the network."""
    return assignment.remote_sources and assignment.network is Network.SOURCES


def _amendments(assignment: Assignment) -> list[str]:
    # A space in front: makepkg rewrites lines that begin with `pkgrel=` after pkgver(). Quarters' bump counts from the
    # recipe's own minor pkgrel, of which makepkg allows one.
    lines = [f" PACKAGER={shlex.quote(assignment.packager)}"]
    if assignment.bump:
        minor = "[[ $pkgrel == *.* ]] || pkgrel=$pkgrel.0"
        raised = f"${{pkgrel%.*}}.$((10#${{pkgrel##*.}} + {assignment.bump}))"
        if assignment.bumping is Bump.WHOLE:
            raised = f"$((10#${{pkgrel%.*}} + {assignment.bump}))"
        lines.append(f" {minor}; pkgrel={raised}")
    return [*lines, ""]
