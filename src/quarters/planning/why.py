"""Says in one sentence why a build is not running."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import msgspec

from quarters.model.build import BROKEN, SATISFIED, Build, State
from quarters.planning.assignment import Ready, refusal
from quarters.planning.farm import Farm, Host
from quarters.planning.lacks import Lack
from quarters.planning.refusals import Backoff, Refusal
from quarters.planning.wording import Ahead, refused, taken_next


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What a build waits for: prerequisites that are not done (pkgbase, state); and who could take it once it is ready."""

    now: datetime
    unfinished: Sequence[tuple[str, State]] = ()
    lacks: Sequence[Lack] = ()
    """What it needs and no upstream has yet."""
    hosts: Sequence[Host] = ()
    """The builders that are alive."""
    farm: Farm = Farm()
    lost_by: str | None = None
    ahead: Ahead = Ahead()
    together: str = ""
    """What the rebuild waits for with which its packages become visible, "" if they are."""
    review: int | None = None
    """The review that a newer recipe of it waits for."""


_SHOWN = 3
_DOING = MappingProxyType(
    {
        State.WAITING: "waits for its own",
        State.BLOCKED: "is blocked",
        State.READY: "is ready to be built",
        State.RUNNING: "is being built",
        State.PUBLISHING: "is being published",
        State.FAILED: "has failed",
        State.TIMED_OUT: "has timed out",
        State.CANCELLED: "was cancelled",
        State.SUPERSEDED: "was superseded",
    }
)


def why_not_running(build: Build, around: Circumstances) -> str:
    """One sentence for any state; for a running build, what it is doing."""
    sentence = _SENTENCES[build.state](build, around)
    if around.review is None or build.state is State.SUPERSEDED:
        return sentence
    return f"{sentence} A newer recipe of {build.pkgbase} waits for review {around.review}."


def refusals(build: Build, around: Circumstances) -> list[Refusal | None]:
    """For each builder that is alive, the rule that keeps a ready build from it, by the code that gives builds out."""
    entry = Ready(build=build, lost_by=around.lost_by)
    if not around.hosts and build.not_before is not None and build.not_before > around.now:
        return [Backoff(build.not_before)]
    return [refusal(entry, host, around.farm, around.now) for host in around.hosts]


def _waiting(build: Build, around: Circumstances) -> str:
    unfinished = [entry for entry in around.unfinished if entry[1] not in SATISFIED]
    if around.lacks:
        words = "; and ".join(one.told() for one in around.lacks)
        also = f" It also waits for {_listed(unfinished)}." if unfinished else ""
        return f"It waits for {words}; it goes on by itself when that is there.{also}"
    if not unfinished:
        return "Everything it needs is there; it is about to become ready."
    return f"It waits for {_listed(unfinished)}."


def _blocked(build: Build, around: Circumstances) -> str:
    broken = [entry for entry in around.unfinished if entry[1] in BROKEN]
    if not broken:
        return "What blocked it is mended; it is about to wait for its turn again."
    plural = "each of them succeeds" if len(broken) > 1 else "that succeeds"
    return f"It needs {_listed(broken)}; it goes on by itself when {plural}."


def _ready(build: Build, around: Circumstances) -> str:
    found = refusals(build, around)
    said = [no for no in found if no is not None]
    if len(said) == len(found):
        return refused(build, said, around.ahead)
    takers = [host.builder.name for host, no in zip(around.hosts, found, strict=True) if no is None]
    return taken_next(build, takers, around.ahead)


def _running(build: Build, around: Circumstances) -> str:
    step = f", step {build.step}" if build.step is not None else ""
    return f"It is running on {build.builder or 'a builder'}{step}."


def _publishing(build: Build, around: Circumstances) -> str:
    return f"It is built; its packages are being verified and published in {build.repository}{_told(build)}"


def _succeeded(build: Build, around: Circumstances) -> str:
    if around.together:
        return f"It succeeded; its packages become visible with rebuild {build.rebuild}. {around.together}"
    return f"It succeeded; its packages are in {build.repository}."


def _skipped(build: Build, around: Circumstances) -> str:
    return f"It was skipped: {build.message or f'this version is already published in {build.repository}.'}"


def _failed(build: Build, around: Circumstances) -> str:
    where = f" in step {build.step}" if build.step is not None else ""
    cause = f" ({_plain(build.reason)})" if build.reason is not None else ""
    return f"It failed{where}{cause}{_told(build)} It waits for a new recipe, a new dependency or a retry."


def _timed_out(build: Build, around: Circumstances) -> str:
    where = f" in step {build.step}" if build.step is not None else ""
    return f"It ran out of time{where}{_told(build)}"


def _cancelled(build: Build, around: Circumstances) -> str:
    return f"It was cancelled{_told(build)}"


def _superseded(build: Build, around: Circumstances) -> str:
    return "A build of a newer recipe took its place."


def _listed(entries: Sequence[tuple[str, State]]) -> str:
    ordered = sorted(entries)
    words = [f"{pkgbase}, which {_DOING.get(state, f'is {state}')}" for pkgbase, state in ordered[:_SHOWN]]
    if len(ordered) > _SHOWN:
        words.append(f"{len(ordered) - _SHOWN} more")
    return words[0] if len(words) == 1 else f"{'; '.join(words[:-1])}; and {words[-1]}"


def _told(build: Build) -> str:
    """The rest of a sentence: what the build itself said, if anything."""
    return f": {build.message.rstrip('.')}." if build.message else "."


def _plain(word: str) -> str:
    return word.replace("_", " ")


_SENTENCES: Mapping[State, Callable[[Build, Circumstances], str]] = MappingProxyType(
    {
        State.WAITING: _waiting,
        State.BLOCKED: _blocked,
        State.READY: _ready,
        State.RUNNING: _running,
        State.PUBLISHING: _publishing,
        State.SUCCEEDED: _succeeded,
        State.SKIPPED: _skipped,
        State.FAILED: _failed,
        State.TIMED_OUT: _timed_out,
        State.CANCELLED: _cancelled,
        State.SUPERSEDED: _superseded,
    }
)
