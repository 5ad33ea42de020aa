"""`quarters source forge`: merge requests for changes of a tree that wait."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from quarters.cli import output
from quarters.cli.connection import connect
from quarters.cli.output import Json
from quarters.model.errors import Invalid
from quarters.model.forge import Forge, ForgeKind
from quarters.protocol.forges import NewForge


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class At:
    """At which forge."""

    kind: Annotated[
        ForgeKind | None, Parameter(help="github, gitlab or gitea, which Forgejo is too; without it: show.")
    ] = None
    project: Annotated[str, Parameter(help="OWNER/NAME there.")] = ""
    url: Annotated[str, Parameter(help="The forge's address; without it, github.com or gitlab.com.")] = ""
    token_file: Annotated[
        Path | None,
        Parameter(help="A file with a token that may open merge requests; without it, standard input."),
    ] = None
    assignee: Annotated[str, Parameter(help="An account there that merge requests are for.")] = ""


async def forge(
    name: Annotated[str, Parameter(help="Name of the source.")],
    /,
    *,
    at: At | None = None,
    off: Annotated[bool, Parameter(negative=(), help="Open no more merge requests.")] = False,
    json: Json = False,
) -> None:
    """Show, or set, the forge at which changes of a tree that wait for review become merge requests."""
    where = at or At()
    if off:
        async with connect() as client:
            await client.sources.remove_forge(name)
        return output.say(f"Changes of {name} that wait are shown at no forge.")
    async with connect() as client:
        if where.kind is None:
            if where != At():
                raise Invalid("Say with --kind what the forge is: github, gitlab or gitea.")
            found = await client.sources.forge(name)
        else:
            found = await client.sources.set_forge(name, _new(where, where.kind))
    return output.show(found) if json else output.facts(_facts(found))


def _new(at: At, kind: ForgeKind) -> NewForge:
    if not at.project:
        raise Invalid("Say with --project which one it is: OWNER/NAME.")
    return NewForge(kind=kind, project=at.project, url=at.url, token=_token(at), assignee=at.assignee)


def _token(at: At) -> str:
    try:
        read = sys.stdin.readline() if at.token_file is None else at.token_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{at.token_file} cannot be read: {error}.") from None
    if not read.strip():
        raise Invalid("A token of the forge is needed; give it with --token-file.")
    return read.strip()


def _facts(it: Forge) -> list[tuple[str, object]]:
    return [("Forge", it.kind), ("Address", it.url), ("Project", it.project), ("Assignee", it.assignee)]
