"""`quarters builds`: what was built, what is being built, and why something is not."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from cyclopts import App, Parameter
from rich.text import Text

from quarters.cli import output
from quarters.cli.connection import connect, everything
from quarters.cli.output import DryRun, Json, Yes
from quarters.model.build import Build, Reason, State
from quarters.model.errors import Invalid
from quarters.protocol.resources import BuildFilter, BuildView, Cancellation, Cancelled, Retried, Retry

app = App(name="builds")

Number = Annotated[int, Parameter(help="Its number.")]
OfRequest = Annotated[int | None, Parameter(help="Number of a request, all of whose builds are meant.")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Which:
    """Which builds to list: those that match everything given."""

    state: Annotated[State | None, Parameter(help="In which state they are.")] = None
    repo: output.Repo = None
    pkgbase: Annotated[str | None, Parameter(help="Of which package base they are.")] = None
    reason: Annotated[Reason | None, Parameter(help="Why it failed.")] = None
    since: Annotated[
        str | None,
        Parameter(help="Not older than an age such as 30m, 12h or 7d, or than a time as RFC 3339 has it."),
    ] = None

    request: OfRequest = None

    def filter(self) -> BuildFilter:
        """As the API takes it."""
        return BuildFilter(
            state=self.state,
            repository=self.repo,
            pkgbase=self.pkgbase,
            reason=self.reason,
            since=_moment(self.since),
            request=self.request,
        )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Broken:
    """Which builds to try again: those that match everything given."""

    reason: Annotated[Reason | None, Parameter(help="Why they failed.")] = None
    repo: output.Repo = None
    request: OfRequest = None

    def selection(self) -> Retry:
        """As the API takes it."""
        return Retry(reason=self.reason, repository=self.repo, request=self.request)


@app.command(name="list")
async def list_(
    *,
    only: Which | None = None,
    limit: Annotated[int, Parameter(help="How many to list.")] = 50,
    json: Json = False,
) -> None:
    """List builds, the newest first."""
    which = (only or Which()).filter()
    async with connect() as client:
        found = await everything(
            lambda cursor: client.builds.list(which, limit=min(limit, 200), cursor=cursor), limit
        )
    if json:
        return output.show(found)
    return output.table(
        (
            ">BUILD",
            "STATE",
            "PKGBASE",
            "VERSION",
            "REPOSITORY?",
            "ARCH?",
            "STEP",
            "BUILDER?",
            ">TIME",
            "CREATED",
            "WHY?",
        ),
        map(_row, found),
        empty="There is no such build." if which != BuildFilter() else "Nothing was built yet.",
    )


@app.command
async def show(build: Number, /, *, json: Json = False) -> None:
    """Show a build: its state and why, its steps, what it needs."""
    async with connect() as client:
        it = await client.builds.show(build)
    return output.show(it) if json else _tell(it)


@app.command
async def why(build: Number, /, *, json: Json = False) -> None:
    """Say why a build is not running, or how it ended."""
    async with connect() as client:
        it = await client.builds.show(build)
    if json:
        return output.show({"build": it.id, "state": it.state, "why": it.why, "needs": it.needs})
    return output.say(it.why)


@app.command
async def cancel(*builds: Number, request: OfRequest = None, yes: Yes = False, json: Json = False) -> None:
    """Cancel builds that are not over, or all that a request wants and no other one does; what needs them is blocked."""
    if bool(builds) == (request is not None):
        raise Invalid("Name either builds by their numbers or, with --request, a request.")
    what = f"request {request}" if request is not None else ", ".join(map(str, builds))
    if not output.confirmed(f"Cancel {what}?", yes=yes):
        return None
    async with connect() as client:
        if request is not None:
            return _cancelled(await client.builds.cancel_all(Cancellation(request=request)), json=json)
        found = [await client.builds.cancel(build) for build in builds]
    return output.show(found) if json else _each(found)


@app.command
async def retry(*builds: Number, only: Broken | None = None, json: Json = False) -> None:
    """Queue builds that failed, timed out or were cancelled once more, or all of them that match what is given."""
    which = (only or Broken()).selection()
    if bool(builds) == (which != Retry()):
        raise Invalid("Name either builds by their numbers or which ones with --reason, --repo or --request.")
    async with connect() as client:
        if not builds:
            return _retried(await client.builds.retry_all(which), json=json)
        found = [await client.builds.retry(build) for build in builds]
    return output.show(found) if json else _each(found)


@app.command
async def clean(*, dry_run: DryRun = False, json: Json = False) -> None:
    """Forget builds that are over, with their logs, as far as no rule keeps them (`logs.keep_days`, `logs.keep_builds`).

    The server does this by itself once a day.
    """
    async with connect() as client:
        done = await client.builds.clean(dry_run=dry_run)
    if json:
        return output.show(done)
    verb = "would be" if dry_run else "were"
    return output.say(
        f"{done.builds} builds and {done.events} events {verb} forgotten, "
        f"which frees {output.size(done.freed)} of logs."
    )


@app.command
async def watch(
    *,
    until_idle: Annotated[
        bool, Parameter(negative=(), help="End when nothing is left to sync, plan or build.")
    ] = False,
    json: Json = False,
) -> int:
    """Show live what builds, in which step, and for how long; what ends stays on the screen.

    With --until-idle exit code 1 if a build failed meanwhile.
    """
    from quarters.cli import watch as watching
    from quarters.cli.progress import progress

    async with connect() as client:
        with progress(json=json) as shown:
            if until_idle:
                return 0 if await watching.until_idle(client, shown) else 1
            await watching.forever(client, shown)
    return 0


def _cancelled(done: Cancelled, *, json: bool) -> None:
    if json:
        return output.show(done)
    output.say(f"{_counted(done.builds)} cancelled.")
    if done.kept:
        return output.say(f"{_counted(done.kept)} wanted by other requests too, and left alone.")
    return None


def _retried(done: Retried, *, json: bool) -> None:
    if json:
        return output.show(done)
    output.say(f"{_counted(done.builds)} tried again.")
    if done.overtaken:
        later = "a later build of the same recipe is there"
        return output.say(f"{_counted(done.overtaken)} left alone: {later}.")
    return None


def _counted(builds: tuple[int, ...]) -> str:
    return f"{len(builds)} {'build is' if len(builds) == 1 else 'builds are'}"


def _row(it: Build) -> tuple[object, ...]:
    running = it.state is State.RUNNING
    return (
        it.id,
        output.state(it.state),
        it.pkgbase,
        it.version,
        it.repository,
        it.arch,
        it.step.value if it.step and (running or it.reason) else None,
        it.builder,
        _took(it),
        output.ago(it.created_at),
        it.cause.replace("_", " "),
    )


def _waits_out(it: Build) -> bool:
    """Whether it waits for the time of its next try."""
    return it.not_before is not None and it.not_before > datetime.now(UTC)


def _needed(it: Build) -> str | None:
    """Of a builder, as far as it is known."""
    parts = [f"class {it.build_class}"] if it.build_class else []
    parts += [f"the builder {it.only_builder}"] if it.only_builder else []
    parts += [f"{output.size(it.memory)} of memory"] if it.memory else []
    parts += [f"{output.size(it.disk)} of disk"] if it.disk else []
    parts += [f"about {output.duration(it.duration)}"] if it.duration else []
    return ", ".join(parts) or None


def _took(it: Build) -> str | None:
    if it.not_before is not None and _waits_out(it):
        return f"again in {output.duration((it.not_before - datetime.now(UTC)).total_seconds())}"
    if it.started_at is None:
        return None
    return output.duration(((it.finished_at or datetime.now(UTC)) - it.started_at).total_seconds())


def _tell(it: BuildView) -> None:
    output.facts(
        [
            ("Build", f"{it.id}: {it.pkgbase} {it.version}" + (f", bump {it.bump}" if it.bump else "")),
            ("State", Text.assemble(output.state(it.state), f"  {it.why}")),
            ("Repository", f"{it.repository}, {it.arch}"),
            ("Source", it.source),
            ("Asked for by", f"{it.requester} (request {it.request_id})"),
            ("Because", it.grounds.detail or it.cause.replace("_", " ")),
            ("Wanted by", [f"{wish.requester} (request {wish.request})" for wish in it.wishes[1:]]),
            ("Published with", f"rebuild {it.rebuild}" if it.rebuild is not None else None),
            ("Packager", it.packager),
            ("Needs", _needed(it)),
            ("Created", output.ago(it.created_at)),
            ("Attempt", it.attempt or None),
            ("Next try", it.not_before if _waits_out(it) else None),
            ("Builder", it.builder),
            ("Took" if it.finished_at else "Running for", _took(it)),
            ("Failed in", f"step {it.step}" if it.reason and it.step else None),
            ("Command", it.command),
            ("Exit code", it.exit_code),
        ]
    )
    if it.steps:
        output.say()
        output.table(
            ("STEP", ">TIME", ">EXIT CODE"),
            (
                (
                    step.step,
                    output.duration(((step.ended_at or datetime.now(UTC)) - step.started_at).total_seconds()),
                    step.exit_code,
                )
                for step in it.steps
            ),
        )
    if it.needs:
        output.say()
        output.table(
            (">BUILD", "NEEDS", "STATE", "FOR"),
            (
                (need.build, need.pkgbase, output.state(need.state), f"{need.dependency} ({need.kind})")
                for need in it.needs
            ),
        )


def _each(found: list[BuildView]) -> None:
    for it in found:
        output.say(f"Build {it.id} ({it.pkgbase} {it.version}) is {it.state.replace('_', ' ')}.")


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    units = {"m": "minutes", "h": "hours", "d": "days"}
    if text[:-1].isdecimal() and text[-1] in units:
        return datetime.now(UTC) - timedelta(**{units[text[-1]]: int(text[:-1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"{text!r} is neither an age such as 12h nor a time such as 2026-01-31T12:00:00Z."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
