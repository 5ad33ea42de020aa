"""`quarters repo package`: everything about one package."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from quarters.cli import output
from quarters.cli.connection import connect
from quarters.cli.output import Arch, Json

if TYPE_CHECKING:
    from quarters.protocol.packages import PackageDetails

_SHOWN = 20
"""Packages that need it, and versions, before they are only counted."""


async def package(
    name: str,
    package: str,
    /,
    *,
    arch: Arch = None,
    files: Annotated[
        bool, Parameter(negative=(), show_default=False, help="List the paths in it instead.")
    ] = False,
    json: Json = False,
) -> None:
    """Show a package: what it needs, what needs it, which versions there were, and what it was built from."""
    async with connect() as client:
        where = arch or (await client.repositories.show(name)).arches[0]
        if files:
            listed = await client.repositories.package_files(name, where, package)
            return output.show(listed) if json else output.say("\n".join(listed.files))
        found = await client.repositories.package(name, where, package)
        if json:
            return output.show(found)
        _tell(found, client.url)
    return None


def _tell(it: "PackageDetails", url: str) -> None:
    origin = it.origin
    output.facts(
        [
            ("Package", f"{it.name} {it.version} ({it.arch})"),
            ("Description", it.description),
            ("Of", it.base if it.base != it.name else None),
            ("Homepage", it.url),
            ("Licences", it.licenses),
            ("Groups", it.groups),
            ("File", f"{it.file_name}, {output.size(it.size)}"),
            ("Installed", f"{output.size(it.installed_size)} in {it.files} paths"),
            ("Needs", it.depends),
            ("Needs, if wanted", it.optdepends),
            ("To be built", it.makedepends),
            ("To be checked", it.checkdepends),
            ("Provides", it.provides),
            ("Conflicts with", it.conflicts),
            ("Replaces", it.replaces),
            ("Needed by", _some(it.required_by, it.required)),
            ("Packager", it.packager),
            ("Built", it.build_date),
            (
                "From",
                f"{origin.path} of {origin.source} at {origin.revision[:12]}"
                if origin
                else "an upload"
                if it.build is None
                else None,
            ),
            ("By", f"build {origin.build} on {origin.builder} for {origin.requester}" if origin else None),
            ("Log", f"{url}{origin.log}" if origin else None),
            ("Signed by", it.signed_by),
        ]
    )
    output.say()
    output.table(
        ("VERSION", "ADDED", ">FROM SNAPSHOT", ">UNTIL", ">BUILD"),
        (
            (one.version, output.ago(one.added_at), one.since, one.until, one.build)
            for one in it.versions[:_SHOWN]
        ),
    )


def _some(names: tuple[str, ...], count: int) -> str:
    more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
