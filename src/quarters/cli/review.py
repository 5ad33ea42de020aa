"""`quarters review`: changes of recipes that wait for a person's look."""

import sys
from typing import Annotated

from cyclopts import App, Parameter
from rich.text import Text

from quarters.cli import output
from quarters.cli.connection import connect, everything
from quarters.cli.output import Json
from quarters.model.errors import Invalid
from quarters.model.review import Review, ReviewState
from quarters.protocol.reviews import Decision, ReviewFilter, ReviewView

app = App(name="review")

Number = Annotated[int, Parameter(help="Number of a review.")]
Note = Annotated[str, Parameter(help="Why, for whoever reads it later.")]
_STYLES = {
    ReviewState.WAITING: "yellow",
    ReviewState.APPROVED: "green",
    ReviewState.REJECTED: "red",
    ReviewState.SUPERSEDED: "dim",
}


@app.command(name="list")
async def list_(
    *,
    state: Annotated[
        ReviewState | None, Parameter(help="In which state they are; without it, those that wait.")
    ] = None,
    all_: Annotated[bool, Parameter(name="--all", negative=(), help="In whatever state they are.")] = False,
    source: Annotated[str | None, Parameter(help="Of which source they are.")] = None,
    limit: Annotated[int, Parameter(help="How many to list.")] = 100,
    json: Json = False,
) -> None:
    """List changes that wait for a decision, the newest first."""
    which = ReviewFilter(state=None if all_ else state or ReviewState.WAITING, source=source)
    async with connect() as client:
        found = await everything(lambda cursor: client.reviews.list(which, cursor=cursor), limit)
    if json:
        return output.show(found)
    return output.table(
        (">REVIEW", "STATE", "SOURCE", "RECIPE", "SIZE", ">RISKS", "SINCE", "BY?", "AUTHOR?"),
        (
            (
                it.id,
                _state(it),
                it.source,
                it.path,
                it.verdict.size,
                len(it.verdict.risks),
                output.ago(it.created_at),
                it.decided_by,
                it.author,
            )
            for it in found
        ),
        empty="Nothing waits for review."
        if which.state is ReviewState.WAITING
        else "There is no such review.",
    )


@app.command
async def show(number: Number, /, *, json: Json = False) -> None:
    """Show a change: what in it deserves a second look, and the difference."""
    async with connect() as client:
        it = await client.reviews.show(number)
    if json:
        return output.show(it)
    output.facts(_facts(it))
    if it.verdict.risks:
        output.say()
        output.table(
            ("RISK", "WHERE", "WHAT"),
            (
                (
                    Text(risk.kind.replace("_", " "), "bold red"),
                    _visible(_where(risk.file, risk.line)),
                    _visible(risk.message),
                )
                for risk in it.verdict.risks
            ),
        )
    output.say()
    _draw(it.diff)
    return None


@app.command
async def approve(*numbers: Number, note: Note = "", json: Json = False) -> None:
    """Approve changes; they are taken and, where the source is automatic, built."""
    await _decide(numbers, Decision(approve=True, note=note), json=json)


@app.command
async def reject(*numbers: Number, note: Note = "", json: Json = False) -> None:
    """Reject changes; the recipes stay as they are until something else changes."""
    await _decide(numbers, Decision(approve=False, note=note), json=json)


async def _decide(numbers: tuple[int, ...], decision: Decision, *, json: bool) -> None:
    if not numbers:
        raise Invalid("Say which reviews; `quarters review list` shows what waits.")
    done = []
    async with connect() as client:
        for number in numbers:
            it = await client.reviews.decide(number, decision)
            done.append(it)
            if not json:
                output.say(f"Review {it.id} of {it.path} is {it.state}.")
    if json:
        output.show(done)


def _facts(it: ReviewView) -> list[tuple[str, object]]:
    return [
        ("Review", it.id),
        ("State", _state(it)),
        ("Recipe", f"{it.path} of {it.source}"),
        ("Change", f"{it.verdict.size}: {it.why}"),
        ("Author", it.author),
        ("Maintainers", it.maintainers),
        ("Since", it.created_at),
        ("Passes by itself", it.passes_at if it.state is ReviewState.WAITING else None),
        ("Decided by", it.decided_by),
        ("Note", it.note),
        ("Merge request", it.url),
        ("Problem", it.problem),
    ]


def _state(it: Review) -> Text:
    words = "approved, not taken yet" if it.state is ReviewState.APPROVED and not it.taken else it.state.value
    return Text(words, _STYLES[it.state])


def _where(file: str, line: int) -> str:
    return f"{file}:{line}" if line else file


def _visible(text: str) -> str:
    """With everything spelled out that nobody would see, or that hides something: colours, returns, turned text."""
    return "".join(it if it.isprintable() or it in "\n\t" else f"<U+{ord(it):04X}>" for it in text)


def _draw(diff: str) -> None:
    """The difference, in colours on a terminal."""
    out = output.console()
    for line in _visible(diff.removesuffix("\n")).split("\n"):
        if sys.stdout.isatty():
            out.print(Text(line, _style(line)), soft_wrap=True)
        else:
            print(line)


def _style(line: str) -> str:
    for begin, style in (("+++", "bold"), ("---", "bold"), ("diff ", "bold"), ("@@", "cyan")):
        if line.startswith(begin):
            return style
    return {"+": "green", "-": "red"}.get(line[:1], "")
