"""Rows of recipes: what each source says now about each pkgbase."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    tuple_,
    type_coerce,
)

from quarters.model.errors import NotFound
from quarters.model.recipe import Origin, Recipe, SourcedRecipe
from quarters.storage.schema import entries, packages, recipes, sources

# Thousands are read at once for a plan: decoded in one step, not by way of dicts.
_decode = msgspec.json.Decoder(Recipe).decode
_ROW = (
    recipes.c.source,
    recipes.c.pkgbase,
    recipes.c.path,
    recipes.c.revision,
    recipes.c.fingerprint,
    recipes.c.author,
    type_coerce(recipes.c.recipe, Text).label("recipe"),
    recipes.c.problem,
)


def _sourced(row: Any) -> SourcedRecipe:
    """What others may see: where there is a problem, no recipe."""
    return _with(row, None if row.problem else row.recipe)


def _with(row: Any, recipe: str | None) -> SourcedRecipe:
    return SourcedRecipe(
        pkgbase=row.pkgbase,
        origin=Origin(
            source=row.source,
            path=row.path,
            revision=row.revision,
            fingerprint=row.fingerprint,
            author=row.author,
        ),
        recipe=None if recipe is None else _decode(recipe),
        problem=row.problem,
    )


def for_repository(connection: Connection, repository: str) -> list[SourcedRecipe]:
    """Every recipe that the enabled sources of `repository` have now, by source and pkgbase; unreadable ones too."""
    query = (
        select(*_ROW)
        .join(sources, sources.c.name == recipes.c.source)
        .where(sources.c.repository == repository, sources.c.enabled)
        .order_by(recipes.c.source, recipes.c.pkgbase)
    )
    return [_sourced(row) for row in connection.execute(query)]


def of_source(connection: Connection, source: str) -> list[SourcedRecipe]:
    """Every recipe of one source, by pkgbase, as it was `put`: one with a problem may yet have a recipe."""
    query = select(*_ROW).where(recipes.c.source == source).order_by(recipes.c.pkgbase)
    return [_with(row, row.recipe) for row in connection.execute(query)]


def passing(connection: Connection, source: str) -> bool:
    """Whether `source` has problems that may pass without a new revision: those rows have no fingerprint."""
    query = select(recipes.c.pkgbase).where(recipes.c.source == source, recipes.c.fingerprint == "")
    return connection.execute(query.limit(1)).first() is not None


def put(connection: Connection, found: Iterable[SourcedRecipe]) -> None:
    """Store these recipes in place of what their sources said before about the same pkgbases."""
    rows = [
        {
            "source": each.origin.source,
            "pkgbase": each.pkgbase,
            "path": each.origin.path,
            "revision": each.origin.revision,
            "fingerprint": each.origin.fingerprint,
            "author": each.origin.author,
            "recipe": each.recipe,
            "problem": each.problem,
        }
        for each in found
    ]
    if not rows:
        return
    _delete(connection, [(row["source"], row["pkgbase"]) for row in rows])
    connection.execute(insert(recipes), rows)


def withdraw(connection: Connection, source: str, pkgbases: Iterable[str]) -> None:
    """Forget these pkgbases of `source`."""
    _delete(connection, [(source, pkgbase) for pkgbase in pkgbases])


def _delete(connection: Connection, keys: list[Any]) -> None:
    if keys:
        query = delete(recipes).where(
            recipes.c.source == bindparam("of"), recipes.c.pkgbase == bindparam("base")
        )
        connection.execute(query, [{"of": source, "base": pkgbase} for source, pkgbase in keys])


class Known(msgspec.Struct, frozen=True):
    """A recipe, the repository that its source feeds, and the version published there ("" for none)."""

    sourced: SourcedRecipe
    repository: str
    published_version: str

    def mentions(self, text: str) -> bool:
        """Whether its pkgbase, one of its packages' names or its description contains `text`, whatever the case."""
        recipe = self.sourced.recipe
        words = [self.sourced.pkgbase]
        if recipe is not None:
            words += [recipe.description, *(output.name for output in recipe.outputs)]
        return any(text.casefold() in word.casefold() for word in words)


def _known(*conditions: ColumnElement[bool]) -> Select[Any]:
    # A split recipe publishes several packages, on several architectures: the newest publish speaks for all.
    published = (
        select(packages.c.version)
        .join(entries, entries.c.sha256 == packages.c.sha256)
        .where(entries.c.repository == sources.c.repository, entries.c.until.is_(None))
        .where(packages.c.base == recipes.c.pkgbase)
        .order_by(entries.c.id.desc())
        .limit(1)
        .correlate(sources, recipes)
        .scalar_subquery()
    )
    return (
        select(*_ROW, sources.c.repository, func.coalesce(published, "").label("published_version"))
        .join(sources, sources.c.name == recipes.c.source)
        .where(*conditions)
    )


def _read_known(row: Any) -> Known:
    return Known(_sourced(row), row.repository, row.published_version)


def listed(
    connection: Connection,
    *,
    mentioning: str = "",
    source: str | None = None,
    after: tuple[str, str] = ("", ""),
    limit: int,
) -> list[Known]:
    """Recipes by (pkgbase, source) after `after`, at most `limit`; those that mention `mentioning`."""
    conditions: list[ColumnElement[bool]] = [tuple_(recipes.c.pkgbase, recipes.c.source) > tuple_(*after)]
    if source is not None:
        conditions.append(recipes.c.source == source)
    rows = connection.execute(_known(*conditions).order_by(recipes.c.pkgbase, recipes.c.source))
    found = (known for row in rows if (known := _read_known(row)).mentions(mentioning))
    return list(islice(found, limit))


def get(connection: Connection, pkgbase: str, source: str | None = None) -> Known:
    """What one source, or the first enabled one that has it, says about `pkgbase`; NotFound if none does."""
    conditions: list[ColumnElement[bool]] = [recipes.c.pkgbase == pkgbase]
    if source is not None:
        conditions.append(recipes.c.source == source)
    query = _known(*conditions).order_by(sources.c.enabled.desc(), recipes.c.source)
    row = connection.execute(query.limit(1)).first()
    if row is None:
        raise NotFound(f"No source has a recipe {pkgbase!r}.")
    return _read_known(row)
