"""Puts every setting of every part into the page that asks for them with `<!-- settings -->`."""

import ast
import inspect
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import msgspec
from mkdocs.exceptions import PluginError

from quarters.config import Config
from quarters.model.size import Size

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_PLACE = "<!-- settings -->"
_MIB = 1 << 20


def on_page_markdown(markdown: str, page: "Page", config: "MkDocsConfig", files: "Files") -> str:
    """Called by mkdocs for each page."""
    return markdown.replace(_PLACE, _reference()) if _PLACE in markdown else markdown


def _reference() -> str:
    return "\n\n".join(_section(field.name, field.type) for field in msgspec.structs.fields(Config))


def _section(name: str, kind: Any) -> str:
    meanings = _meanings(kind)
    lines = [
        f"## {name}",
        "",
        inspect.getdoc(kind) or "",
        "",
        "| setting | default | meaning |",
        "| --- | --- | --- |",
    ]
    for field in msgspec.structs.fields(kind):
        if field.name not in meanings:
            raise PluginError(
                f"{kind.__name__}.{field.name} has no sentence below it that says what it means."
            )
        variable = f"QUARTERS_{name}__{field.name}".upper()
        lines.append(
            f"| `{field.name}`<br><small>{variable}</small> | {_default(field)} | {meanings[field.name]} |"
        )
    return "\n".join(lines)


def _meanings(kind: type) -> dict[str, str]:
    """The sentence below each field, which Python itself forgets."""
    (described,) = ast.parse(dedent(inspect.getsource(kind))).body
    if not isinstance(described, ast.ClassDef):
        raise PluginError(f"{kind.__name__} is not a class.")
    found = {}
    for field, text in zip(described.body, described.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = inspect.cleandoc(str(text.value.value)).replace("|", "\\|")
    return found


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is msgspec.NODEFAULT:
        return "*of the machine*"
    value = field.default
    if value in ("", ()):
        return "*none*"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Size):
        return f"`{value}`"
    if isinstance(value, int) and value >= _MIB:
        return f"`{value}` ({_bytes(value)})"
    if isinstance(value, tuple):
        return f"`{msgspec.json.encode(value).decode()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _bytes(count: int) -> str:
    return f"{count >> 30} GiB" if count >> 30 else f"{count >> 20} MiB"
