"""Dependencies and provisions as recipes and packages write them, and libalpm's rule for when one meets the other."""

import re

from quarters.formats.pacman.version import compare
from quarters.model.errors import Invalid
from quarters.model.recipe import Dependency, Provision

_NAME = re.compile(r"[^\s<>=/\x00-\x1f\x7f-\x9f]+")
_VERSION = _NAME
# libalpm looks for "<" first, then ">", then "=" (alpm_dep_from_string in deps.c).
_OPERATOR = re.compile(r"^([^<]*)(<=?)(.*)$|^([^>]*)(>=?)(.*)$|^([^=]*)(=)(.*)$", re.DOTALL)


def parse_dependency(text: str) -> Dependency:
    """Read `name`, `name>=1:2-3` or a soname (`libfoo.so=1-64`); a description after `: ` is dropped."""
    plain = text.partition(": ")[0].strip()
    if _NAME.fullmatch(plain):
        return Dependency(plain)
    match = _OPERATOR.match(plain)
    if match is not None:
        name, op, version = (group for group in match.groups() if group is not None)
        if _NAME.fullmatch(name) and _VERSION.fullmatch(version):
            return Dependency(name, op, version)
    raise Invalid(f"{text!r} is not a dependency.")


def parse_provision(text: str) -> Provision:
    """Read one `provides`; only `=` gives it a version: `provides=v>=1` is as good as `provides=v`, as in libalpm."""
    dependency = parse_dependency(text)
    return Provision(dependency.name, dependency.version if dependency.op == "=" else "")


def satisfies(provision: Provision, dependency: Dependency) -> bool:
    """Whether a package that provides `provision` meets `dependency` (_alpm_depcmp in deps.c)."""
    if provision.name != dependency.name:
        return False
    if not dependency.op:
        return True
    if not provision.version:
        return False
    order = compare(provision.version, dependency.version)
    match dependency.op:
        case "=":
            return order == 0
        case ">=":
            return order >= 0
        case "<=":
            return order <= 0
        case ">":
            return order > 0
        case _:
            return order < 0
