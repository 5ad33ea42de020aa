"""`quarters plan`: what would be built, in which order, and why."""

from typing import Annotated

from cyclopts import App, Parameter
from rich.text import Text
from rich.tree import Tree

from quarters.cli import output
from quarters.cli.connection import connect
from quarters.cli.output import Arch, Json, Repo
from quarters.planning.plan import Plan, PlannedBuild
from quarters.protocol.resources import PlanRequest

app = App(
    name="plan",
    help_epilogue="Nothing is built. The exit code is 1 if something cannot be built, 0 otherwise, also when nothing is to "
    "be built.",
)


@app.default
async def plan(
    *packages: Annotated[
        str, Parameter(help="Package bases, or names of packages; without any, everything that is outdated.")
    ],
    repo: Repo = None,
    arch: Arch = None,
    force: Annotated[bool, Parameter(negative=(), help="Also what is up to date.")] = False,
    json: Json = False,
) -> int:
    """Show what would be built for packages, or for everything outdated where none is named; builds nothing."""
    async with connect() as client:
        found = await client.builds.plan(
            PlanRequest(packages=packages, repository=repo, arch=arch, force=force)
        )
    if json:
        output.show(found)
    else:
        draw(found)
    return 1 if found.problems else 0


def draw(plan: Plan) -> None:
    """Show a plan as a tree, with what is to be said about what is not in it."""
    out = output.console()
    if plan.builds:
        out.print(_tree(plan))
    elif not plan.problems:
        out.print(f"Nothing is to be built for {plan.repository} on {plan.arch}.")
    for entry in plan.current:
        out.print(Text(f"✓ {entry.message}", "green"))
    for waiting in plan.held:
        out.print(Text(f"! {waiting.message}", "yellow"))
    for dropped in plan.dropped:
        out.print(Text(f"! {dropped.message}", "yellow"))
    for problem in plan.problems:
        out.print(Text(f"✗ {problem.message}", "red"))


def _tree(plan: Plan) -> Tree:
    stages: dict[int, list[PlannedBuild]] = {}
    for build in plan.builds:
        stages.setdefault(build.stage, []).append(build)
    number = len(plan.builds)
    count = (
        f"{number} build{'' if number == 1 else 's'} in {len(stages)} stage{'' if len(stages) == 1 else 's'}"
    )
    tree = Tree(Text(f"{plan.repository} on {plan.arch}: {count}", "bold"), guide_style="dim")
    for stage, builds in sorted(stages.items()):
        branch = tree.add(Text(f"stage {stage + 1}", "dim"))
        for build in builds:
            leaf = branch.add(_headline(build))
            for base in dict.fromkeys(edge.pkgbase for edge in build.needs):
                leaf.add(_need(build, base))
            for lack in build.lacks:
                leaf.add(Text(f"waits for {lack.told()}", "yellow"))
    return tree


def _headline(build: PlannedBuild) -> Text:
    bump = f", bump {build.bump}" if build.bump else ""
    return Text.assemble((build.pkgbase, "bold"), f" {build.version}{bump}  ", (build.detail, "dim"))


def _need(build: PlannedBuild, base: str) -> Text:
    wanted = [f"{edge.dependency} ({edge.kind})" for edge in build.needs if edge.pkgbase == base]
    return Text.assemble(f"after {base}: ", (", ".join(dict.fromkeys(wanted)), "dim"))
