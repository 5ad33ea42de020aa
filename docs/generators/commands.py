"""Puts every command, option and default into the page that asks for them with `<!-- commands -->`."""

from typing import TYPE_CHECKING

from cyclopts import App
from cyclopts.docs.markdown import generate_markdown_docs

from quarters.cli.main import application

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_PLACE = "<!-- commands -->"


def on_page_markdown(markdown: str, page: "Page", config: "MkDocsConfig", files: "Files") -> str:
    """Called by mkdocs for each page."""
    return markdown.replace(_PLACE, _reference()) if _PLACE in markdown else markdown


def _reference() -> str:
    app = application()
    parts = []
    for name in app:
        if not name.startswith("-"):
            command = app[name]
            _complete(command, app)
            parts.append(_described(command))
    return "\n\n".join(parts)


def _complete(command: App, above: App) -> None:
    # On the command line these come down from the command above; this generator looks at each one alone.
    command.default_parameter = above.default_parameter
    for name in command:
        if not name.startswith("-"):
            _complete(command[name], command)


def _described(command: App) -> str:
    usage = f"quarters {command.name[0]}"
    text = generate_markdown_docs(command, heading_level=2, usage_name=usage, generate_toc=False).strip()
    more = command.help_epilogue or ""
    return f"{text}\n\n```console\n{more}\n```" if "\n" in more else f"{text}\n\n{more}"
