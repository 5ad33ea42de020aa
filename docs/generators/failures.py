"""Puts the table of what tools say when they fail into the page that asks for it with `<!-- failures -->`."""

from html import escape
from typing import TYPE_CHECKING

from quarters.builder.diagnosis import Clue, clues
from quarters.model.build import Reason
from quarters.planning.retries import DEFAULTS

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_CLUES = "<!-- failures -->"
_WAITS = "<!-- retries -->"


def on_page_markdown(markdown: str, page: "Page", config: "MkDocsConfig", files: "Files") -> str:
    """Called by mkdocs for each page."""
    if _CLUES in markdown:
        markdown = markdown.replace(_CLUES, _table())
    return markdown.replace(_WAITS, _waits()) if _WAITS in markdown else markdown


def _table() -> str:
    lines = ["| what | where | reason | for example |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *(_row(clue) for clue in clues())])


def _row(clue: Clue) -> str:
    reason = f"`{clue.reason}`" if clue.reason else "that of the step"
    examples = "<br>".join(f"<code>{_cell(line)}</code>" for line in clue.example[:2])
    return f"| {clue.category} | {clue.steps} | {reason} | {examples} |"


def _cell(line: str) -> str:
    return escape(line.strip().replace("\n", " ⏎ ")).replace("|", "&#124;")


def _waits() -> str:
    lines = ["| reason | tried again after |", "| --- | --- |"]
    for reason in Reason:
        if waits := DEFAULTS.waits(reason):
            lines.append(f"| `{reason}` | {', '.join(f'{wait:g} s' for wait in waits)} |")
    return "\n".join(lines)
