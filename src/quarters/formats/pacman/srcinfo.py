"""The text of .SRCINFO, as `makepkg --printsrcinfo` writes it, read into a Recipe."""

import re

import msgspec

from quarters.formats.pacman.dependency import parse_dependency, parse_provision
from quarters.model.errors import Invalid, RecipeInvalid
from quarters.model.names import arch_name, package_name
from quarters.model.recipe import Need, NeedKind, Offer, Output, Recipe

_KINDS = {kind.value: kind for kind in NeedKind}
_PKGVER = re.compile(r"[!-.0-9;-~]+")  # makepkg refuses "-" too, but recipes with one are out there
_PKGREL = re.compile(r"[!-,.0-9;-~]+")


class _Value(msgspec.Struct, frozen=True, gc=False):
    line: int
    text: str


class _Section(msgspec.Struct):
    """What stands under one `pkgbase` or `pkgname` line; a key that is there with no values was emptied."""

    name: str
    line: int
    fields: dict[str, list[_Value]] = msgspec.field(default_factory=dict)

    def last(self, key: str, default: str = "") -> str:
        values = self.fields.get(key)
        return values[-1].text if values else default

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(value.text for value in self.fields.get(key, ()))


def parse_srcinfo(text: str) -> Recipe:
    """Read a .SRCINFO; RecipeInvalid names the line. Unknown keys are ignored.

    Needs of the base have output "": makepkg wants them for every build, whatever packages put in their place.
    What a package overrides comes beside them under its own name, and an emptied override adds nothing.
    `dynamic_version` is False: a .SRCINFO does not tell.
    """
    base, *packages = _sections(text)
    if not packages:
        raise RecipeInvalid("The .SRCINFO names no package: there is no `pkgname = …` line.")
    arches = _arches(base)
    if not arches:
        raise RecipeInvalid("The .SRCINFO has no `arch = …` line.")
    return Recipe(
        pkgbase=base.name,
        version=_version(base),
        arches=arches,
        outputs=tuple(_output(package, base, arches) for package in packages),
        needs=tuple(need for section in (base, *packages) for need in _needs(section, base)),
        description=base.last("pkgdesc") or packages[0].last("pkgdesc"),
        url=base.last("url"),
        licenses=base.texts("license"),
        sources=tuple(
            value.text
            for key, values in base.fields.items()
            if key == "source" or key.startswith("source_")
            for value in values
        ),
    )


def _sections(text: str) -> list[_Section]:
    """Cut the text into sections, the pkgbase's first."""
    sections: list[_Section] = []
    names: set[str] = set()
    fields: dict[str, list[_Value]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line[0] == "#":
            continue
        key, equals, value = line.partition("=")
        key, value = key.rstrip(), value.lstrip()
        if not equals or not key:
            raise _wrong(number, f"{line!r} is not `key = value`")
        if key in ("pkgbase", "pkgname"):
            if (key == "pkgbase") is bool(sections):
                raise _wrong(number, "`pkgbase` comes first, and once")
            if key == "pkgname" and value in names:
                raise _wrong(number, f"package {value!r} is there twice")
            sections.append(_Section(_package_name(number, value), number))
            names.update([value] if key == "pkgname" else [])
            fields = sections[-1].fields
        elif not sections:
            raise _wrong(number, f"{key!r} stands before `pkgbase`")
        else:
            values = fields.setdefault(key, [])
            if value:
                values.append(_Value(number, value))
    if not sections:
        raise RecipeInvalid("The .SRCINFO is empty.")
    return sections


def _version(base: _Section) -> str:
    epoch, pkgver, pkgrel = base.last("epoch", "0"), base.last("pkgver"), base.last("pkgrel")
    for key, value, pattern in (("pkgver", pkgver, _PKGVER), ("pkgrel", pkgrel, _PKGREL)):
        if not value:
            raise RecipeInvalid(f"The .SRCINFO has no `{key} = …` line.")
        if not pattern.fullmatch(value):
            raise _wrong(base.fields[key][-1].line, f"{value!r} is not a valid {key}")
    if not (epoch.isascii() and epoch.isdigit()):
        raise _wrong(base.fields["epoch"][-1].line, f"{epoch!r} is not a valid epoch")
    return f"{epoch}:{pkgver}-{pkgrel}" if int(epoch) else f"{pkgver}-{pkgrel}"


def _arches(section: _Section) -> tuple[str, ...]:
    values = section.fields.get("arch", [])
    for value in values:
        try:
            arch_name(value.text)
        except Invalid as error:
            raise _wrong(value.line, str(error)) from None
    return tuple(value.text for value in values)


def _output(package: _Section, base: _Section, arches: tuple[str, ...]) -> Output:
    """A package with everything that it does not override taken from the base, key by key."""
    provides = {
        key: values
        for fields in (base.fields, package.fields)
        for key, values in fields.items()
        if key == "provides" or key.startswith("provides_")
    }
    return Output(
        name=package.name,
        arches=_arches(package) or arches,
        description=(package if "pkgdesc" in package.fields else base).last("pkgdesc"),
        offers=tuple(
            _offer(value, key.partition("_")[2]) for key, values in provides.items() for value in values
        ),
    )


def _offer(value: _Value, arch: str) -> Offer:
    try:
        return Offer(parse_provision(value.text), arch)
    except Invalid as error:
        raise _wrong(value.line, str(error)) from None


def _needs(section: _Section, base: _Section) -> list[Need]:
    output = "" if section is base else section.name
    needs = []
    for key, values in section.fields.items():
        name, _, arch = key.partition("_")
        kind = _KINDS.get(name)
        if kind is None:
            continue
        for value in values:
            try:
                needs.append(Need(parse_dependency(value.text), kind, output, arch))
            except Invalid as error:
                raise _wrong(value.line, str(error)) from None
    return needs


def _package_name(number: int, name: str) -> str:
    try:
        return package_name(name)
    except Invalid as error:
        raise _wrong(number, str(error)) from None


def _wrong(number: int, what: str) -> RecipeInvalid:
    return RecipeInvalid(f"Line {number} of the .SRCINFO: {what.rstrip('.')}.")
