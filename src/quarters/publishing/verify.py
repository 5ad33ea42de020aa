"""Whether what a builder delivered is what was to be built, and whether a repository may list it."""

from collections.abc import Collection, Sequence

import msgspec

from quarters.formats.format import Format
from quarters.model.build import Build
from quarters.model.errors import PublishRejected
from quarters.model.recipe import Recipe
from quarters.model.repository import PackageFile

_ANY = "any"
_DEBUG = "-debug"


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What a build's packages must be; a `version` of None accepts any, as long as all bear the same."""

    pkgbase: str
    arch: str
    version: str | None
    outputs: frozenset[str]


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What a builder said about a file that it uploaded; an empty `version` was not said."""

    file_name: str
    size: int
    sha256: str
    version: str = ""


class Incumbent(msgspec.Struct, frozen=True, kw_only=True):
    """The package that a repository lists now under a name; `fingerprint` is of the recipe it was built from."""

    version: str
    arch: str
    sha256: str
    fingerprint: str = ""


def promise(recipe: Recipe, build: Build, format: Format) -> Promise:
    """What `build`, of `recipe`, has to give."""
    version = format.bumped(recipe.version, build.bump, build.bumping)
    return Promise(
        pkgbase=recipe.pkgbase,
        arch=build.arch,
        version=None if recipe.dynamic_version else version,
        outputs=frozenset(recipe.made_for(build.arch)),
    )


def check_delivered(delivered: Delivered, file: PackageFile) -> None:
    """The file is the one that its builder announced; else PublishRejected."""
    if (file.size, file.sha256) != (delivered.size, delivered.sha256):
        raise PublishRejected(
            f"{file.file_name} is not the file that was announced: its size or sha256 differs."
        )
    if delivered.version not in ("", file.version):
        raise PublishRejected(
            f"{file.file_name} bears the version {file.version}, but its builder said {delivered.version}."
        )


def check_promise(promised: Promise, files: Sequence[PackageFile]) -> None:
    """The files are all of what was promised and nothing else; else PublishRejected says which is not."""
    for file in files:
        _check_file(promised, file)
    if not files:
        raise PublishRejected(f"The build of {promised.pkgbase} delivered nothing.")
    names = [file.name for file in files]
    if missing := sorted(promised.outputs.difference(names)):
        raise PublishRejected(f"The build of {promised.pkgbase} did not deliver {', '.join(missing)}.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PublishRejected(f"The build of {promised.pkgbase} delivered {', '.join(twice)} more than once.")
    if len(versions := sorted({file.version for file in files})) > 1:
        raise PublishRejected(
            f"The packages of {promised.pkgbase} bear different versions: {', '.join(versions)}."
        )


def _check_file(promised: Promise, file: PackageFile) -> None:
    if file.base != promised.pkgbase:
        raise PublishRejected(f"{file.file_name} is of the pkgbase {file.base}, not of {promised.pkgbase}.")
    # makepkg makes a package of debugging symbols for the base or, in a split package, for each output.
    parent = file.name.removesuffix(_DEBUG)
    if file.name not in promised.outputs and (
        parent == file.name or parent not in {promised.pkgbase, *promised.outputs}
    ):
        raise PublishRejected(f"{file.file_name} is no output of {promised.pkgbase} for {promised.arch}.")
    if file.arch not in (promised.arch, _ANY):
        raise PublishRejected(f"{file.file_name} is for {file.arch}, the build was for {promised.arch}.")
    if promised.version is not None and file.version != promised.version:
        raise PublishRejected(
            f"{file.file_name} bears the version {file.version}, the recipe says {promised.version}."
        )


def arches_of(file: PackageFile, arches: Collection[str], repository: str) -> tuple[str, ...]:
    """The architectures for which a repository of `arches` lists the file; PublishRejected if there are none."""
    if file.arch == _ANY:
        return tuple(arches)
    if file.arch not in arches:
        raise PublishRejected(
            f"{file.file_name} is for {file.arch}; {repository} has {', '.join(sorted(arches))} only."
        )
    return (file.arch,)


def supersedes(
    file: PackageFile,
    fingerprint: str,
    incumbent: Incumbent | None,
    format: Format,
    *,
    allow_downgrade: bool = False,
) -> bool:
    """Whether `file` takes the incumbent's place: False where it is there already; PublishRejected if it must not."""
    if incumbent is None:
        return True
    if incumbent.sha256 == file.sha256:
        return False
    order = format.compare(file.version, incumbent.version)
    if order > 0 or (order < 0 and allow_downgrade):
        return True
    if order < 0:
        raise PublishRejected(
            f"{file.name} {file.version} is older than the published {incumbent.version}; "
            "allow the downgrade, or roll back."
        )
    if file.arch == incumbent.arch == _ANY and fingerprint and fingerprint == incumbent.fingerprint:
        # The same recipe was built for another architecture too; one of the twins is enough for all.
        return False
    raise PublishRejected(
        f"{file.name} {file.version} is published already with other content; raise its release number."
    )
