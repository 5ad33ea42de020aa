"""`quarters build`: ask for packages to be built."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from quarters.cli import output
from quarters.cli.connection import connect
from quarters.cli.output import Arch, Json, Repo
from quarters.model.errors import Invalid
from quarters.protocol.resources import BuildRequest, Requested

if TYPE_CHECKING:
    from quarters.protocol.client import Client

app = App(
    name="build",
    help_epilogue="The exit code is 1 if something cannot be built or, with --follow, if a build does not succeed; builds "
    "go on when this command is interrupted.",
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Terms:
    """On which terms packages are built."""

    force: Annotated[
        bool,
        Parameter(
            negative=(), help="Build also what is up to date, with a higher pkgrel where policy raises it."
        ),
    ] = False
    allow_downgrade: Annotated[
        bool, Parameter(negative=(), help="Let what is built take the place of newer packages.")
    ] = False
    everything: Annotated[
        bool,
        Parameter(
            name="--all",
            negative=(),
            help="In place of packages: what is outdated or, with --force, all that there is.",
        ),
    ] = False
    source: Annotated[str, Parameter(help="With --all: of this source alone.")] = ""
    priority: Annotated[int, Parameter(help="Builds of a higher priority come first.")] = 0


@app.default
async def build(
    *packages: Annotated[str, Parameter(help="Package bases, or names of packages.")],
    repo: Repo = None,
    arch: Arch = None,
    terms: Terms | None = None,
    follow: Annotated[bool, Parameter(negative=(), help="Show the builds until they have ended.")] = False,
    json: Json = False,
) -> int:
    """Build packages, and everything that they need first."""
    on = terms or Terms()
    if not (packages or on.everything):
        raise Invalid("Name at least one package, or give --all; `quarters plan` shows what is outdated.")
    async with connect() as client:
        requested = await client.builds.request(
            BuildRequest(
                packages=packages,
                everything=on.everything,
                source=on.source,
                repository=repo,
                arch=arch,
                force=on.force,
                priority=on.priority,
                allow_downgrade=on.allow_downgrade,
            )
        )
        return await report(client, requested, follow=follow, json=json)


async def report(client: "Client", requested: Requested, *, follow: bool, json: bool) -> int:
    """Say what became of a request and, with `follow`, how its builds go; the exit code."""
    numbers = (*requested.builds, *requested.joined)
    if not (json and follow):
        output.show(requested) if json else _tell(requested, follow=follow)
    good = True
    if follow and numbers:
        from quarters.cli.progress import progress
        from quarters.cli.watch import until_over

        with progress(json=json) as shown:
            good = await until_over(client, numbers, shown)
    return 0 if good and not requested.problems else 1


def _tell(requested: Requested, *, follow: bool) -> None:
    for sentence in requested.problems:
        output.say(f"✗ {sentence}")
    for name in requested.current:
        output.say(f"✓ {name} is up to date.")
    if requested.builds:
        output.say(f"Queued {_counted(requested.builds)}.")
    if requested.joined:
        output.say(f"Already queued: {_counted(requested.joined)}.")
    if requested.built:
        output.say(f"Built already, and published with the rest of a rebuild: {_counted(requested.built)}.")
    if requested.rebuild is not None:
        number = requested.rebuild
        output.say(f"It is published together, as rebuild {number}: `quarters rebuilds show {number}`.")
    if requested == Requested(request=requested.request, builds=()):
        output.say("There is nothing to build.")
    if (requested.builds or requested.joined) and not follow:
        output.say("Watch them with `quarters builds watch`.")


def _counted(numbers: tuple[int, ...]) -> str:
    return (
        f"build {numbers[0]}"
        if len(numbers) == 1
        else f"{len(numbers)} builds: {', '.join(map(str, numbers))}"
    )
