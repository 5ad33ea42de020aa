"""A recipe's hooks: files in its folder that change or attend its build, as Chaotic-AUR's trees have them.

Sourced ones run as root of the build's own root, with the network: they may install and change whatever is in there.
"""

import shlex
from collections.abc import Collection, Mapping

import msgspec

from quarters.builder import dependencies
from quarters.builder.command import Command
from quarters.builder.workspace import PATH, RECIPE
from quarters.model.repository import Network
from quarters.protocol.builds import Assignment

FOLDERS = (".quarters", ".CI")
"""Where they lie: the first of these folders that has one of a name gives it."""
EXPORTED = "etc/makepkg.quarters.env"
"""What a `prepare` hook exported, for every later call of makepkg."""
_NAMES = {
    "prepare": "prepare",
    "patch": "interfere.patch",
    "prepend": "PKGBUILD.prepend",
    "append": "PKGBUILD.append",
    "on_success": "on-success.sh",
    "on_failure": "on-failure.sh",
}
# pacman's own configuration in the root knows no repositories. Older hooks push commands into the root by $CAUR_PUSH.
_AROUND = f"""
pacman() {{ command pacman --config /{dependencies.CONFIGURATION} "$@"; }}
sudo() {{ "$@"; }}
export -f pacman sudo
declare -A _before
for _name in $(compgen -e); do _before[$_name]=${{!_name}}; done
_end() {{
  local code=$?
  for _name in $(compgen -e); do
    case $_name in PWD|OLDPWD|SHLVL|_) continue ;; esac
    if [[ ! -v _before[$_name] || ${{_before[$_name]}} != "${{!_name}}" ]]; then
      printf 'export %s=%s\\n' "$_name" "${{!_name@Q}}"
    fi
  done >"/{EXPORTED}"
  chown -R -h --reference="/{RECIPE}" "/{RECIPE}"
  exit "$code"
}}
trap _end EXIT
source "$1"
"""


class Hooks(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of a recipe's hooks within its folder, "" for those that it does not have."""

    prepare: str = ""
    patch: str = ""
    prepend: str = ""
    append: str = ""
    on_success: str = ""
    on_failure: str = ""

    @classmethod
    def among(cls, files: Collection[str]) -> "Hooks":
        """Those that are among the `files` of a recipe."""
        places = {
            kind: [f"{folder}/{name}" for folder in FOLDERS if f"{folder}/{name}" in files]
            for kind, name in _NAMES.items()
        }
        return cls(**{kind: found[0] for kind, found in places.items() if found})

    @property
    def amending(self) -> bool:
        """Whether any of them may change what the recipe says."""
        return bool(self.prepare or self.patch or self.prepend or self.append)


def sourcing(path: str, assignment: Assignment, told: Mapping[str, str] | None = None) -> Command:
    """Source the hook at `path` with bash, as root in the recipe's folder; `told` are further variables."""
    return Command(
        arguments=("bash", "-c", _AROUND, "bash", f"./{path}"),
        environment={
            "PATH": PATH,
            "HOME": "/root",
            "USER": "root",
            "LANG": "C.UTF-8",
            "CARCH": assignment.arch,
            "PACKAGER": assignment.packager,
            "CAUR_PUSH": "bash -c",
            **(told or {}),
        },
        folder=f"/{RECIPE}",
        network=assignment.network is not Network.NEVER,
        installing=True,
        local_sockets=False,
        stores=(dependencies.PACKAGES,),
        title=f"source {shlex.quote(path)}",
    )
