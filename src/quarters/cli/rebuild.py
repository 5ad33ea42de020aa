"""`quarters rebuild`: build again what is up to date."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import App, Parameter

from quarters.cli import output
from quarters.cli.build import report
from quarters.cli.connection import connect
from quarters.cli.output import Arch, DryRun, Json, Repo
from quarters.cli.plan import draw
from quarters.protocol.rebuilds import RebuildRequest

app = App(
    name="rebuild",
    help_epilogue="What is built again comes in the order in which packages link to each other, as their files say. "
    "Clients see all of it at once, or nothing while a build of it has failed. The exit code is 1 if something cannot be "
    "built or, with --follow, if a build does not succeed.",
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What to build again, beside packages that are named."""

    depends_on: Annotated[
        tuple[str, ...],
        Parameter(
            help="What links to a library: a package that has it, libfoo.so, libfoo.so.1 or libfoo.so=1-64."
        ),
    ] = ()
    suggested: Annotated[
        bool, Parameter(negative=(), help="What links to libraries that are there no more.")
    ] = False
    all: Annotated[bool, Parameter(negative=(), help="All that is published.")] = False
    repo: Repo = None
    arch: Arch = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Manner:
    """How it is built and published."""

    bump: Annotated[
        bool, Parameter(help="Raise the pkgrel, as the repository's policy has it (`quarters repo edit`).")
    ] = True
    together: Annotated[
        bool,
        Parameter(
            negative="--piecewise",
            help="Publish all of it at once, or with --piecewise each build when it has succeeded.",
        ),
    ] = True
    priority: Annotated[int, Parameter(help="Builds of a higher priority come first.")] = 0


@app.default
async def rebuild(
    *packages: Annotated[str, Parameter(help="Package bases, or names of packages.")],
    chosen: Chosen | None = None,
    manner: Manner | None = None,
    dry_run: DryRun = False,
    follow: Annotated[bool, Parameter(negative=(), help="Show the builds until they have ended.")] = False,
    json: Json = False,
) -> int:
    """Build packages again though they are up to date, and publish them together."""
    what, how = chosen or Chosen(), manner or Manner()
    request = RebuildRequest(
        packages=packages,
        depends_on=what.depends_on,
        suggested=what.suggested,
        everything=what.all,
        repository=what.repo,
        arch=what.arch,
        bump=how.bump,
        together=how.together,
        priority=how.priority,
    )
    async with connect() as client:
        if not dry_run:
            return await report(client, await client.rebuilds.request(request), follow=follow, json=json)
        plans = await client.rebuilds.plan(request)
    if json:
        output.show(plans)
    else:
        for plan in plans:
            draw(plan)
    return 1 if any(plan.problems for plan in plans) else 0
