"""What a build's own copy of a PKGBUILD gets around its text."""

import shlex
from collections.abc import Sequence

from quarters.builder.hooks import Hooks
from quarters.builder.products import SUFFIX
from quarters.model.build import Bump
from quarters.protocol.builds import Assignment

_NATIVE = "-march=native"
"""With it, compilers would build for the builder's own processor."""
# makepkg writes .PKGINFO with this function (scripts/makepkg.sh.in) and reads the PKGBUILD several times after it.
_WITHOUT_REPLACES = """\
 if declare -F write_pkginfo >/dev/null && ! declare -F _quarters_write_pkginfo >/dev/null; then
 eval "_quarters_$(declare -f write_pkginfo)"
 write_pkginfo() { local replaces=() groups=(); unset "replaces_$CARCH"; _quarters_write_pkginfo; }
 fi"""


def script(assignment: Assignment, pkgbuild: str, hooks: Hooks) -> Sequence[str]:
    """Shell lines that write them in the recipe's folder, `pkgbuild` being the text that the recipe came with."""
    lines = []
    if _NATIVE in pkgbuild:
        lines.append(f"sed -i 's/ *{_NATIVE}//g' PKGBUILD")
    if hooks.prepend or hooks.append:
        parts = [f"cat {shlex.quote(part)}" for part in (hooks.prepend, "PKGBUILD", hooks.append) if part]
        lines.append(f"{{ {'; echo; '.join(parts)}; }} >PKGBUILD.amended; mv PKGBUILD.amended PKGBUILD")
    return [*lines, *(f"printf '\\n%s' {shlex.quote(line)} >>PKGBUILD" for line in _own(assignment))]


def told(assignment: Assignment, pkgbuild: str) -> Sequence[str]:
    """What of them people should know of, in words."""
    found = [f"{_NATIVE} taken out"] if _NATIVE in pkgbuild else []
    if assignment.bump:
        steps = "" if assignment.bumping is Bump.WHOLE else "0."
        found.append(f"pkgrel raised by {steps}{assignment.bump}")
    if not assignment.keep_replaces:
        found.append("replaces and groups left out")
    return found


def _own(assignment: Assignment) -> Sequence[str]:
    # A space in front: makepkg rewrites lines that begin with `pkgrel=` after pkgver(). Quarters' bump counts from the
    # recipe's own minor pkgrel, of which makepkg allows one.
    lines = [f" PACKAGER={shlex.quote(assignment.packager)}", f" PKGEXT={SUFFIX}"]
    if assignment.bump:
        minor = "[[ $pkgrel == *.* ]] || pkgrel=$pkgrel.0"
        raised = f"${{pkgrel%.*}}.$((10#${{pkgrel##*.}} + {assignment.bump}))"
        if assignment.bumping is Bump.WHOLE:
            raised = f"$((10#${{pkgrel%.*}} + {assignment.bump}))"
        lines.append(f" {minor}; pkgrel={raised}")
    if not assignment.keep_replaces:
        lines.append(_WITHOUT_REPLACES)
    return [*lines, ""]
