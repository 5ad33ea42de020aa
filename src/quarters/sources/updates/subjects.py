"""The recipes of a tree as they are held against their upstreams."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from quarters.model.errors import RecipeInvalid
from quarters.model.recipe import Configuration, SourcedRecipe
from quarters.model.updates import UpdateState
from quarters.sources import pacman_recipe
from quarters.sources.mirror import Mirror
from quarters.sources.updates.upstream import Subject


async def subjects(
    mirror: Mirror, tip: str, known: Sequence[SourcedRecipe], states: Mapping[str, UpdateState]
) -> list[Subject]:
    """Every recipe of the tree at `tip`, by folder, but for those that a sync has yet to read as they are there."""
    listing = await mirror.listing(tip)
    rows = {each.origin.path: each for each in known if each.origin.path in listing}
    # A recipe that cannot be read must still get the upstream's correction.
    unread = [path for path, each in rows.items() if each.recipe is None]
    folders = await mirror.read(tip, unread) if unread else {}
    found = []
    for path, each in sorted(rows.items()):
        if each.recipe is not None and each.origin.fingerprint != listing[path]:
            continue
        recipe = each.recipe
        try:
            configuration = (
                recipe.configuration if recipe is not None else pacman_recipe.configured(folders[path])
            )
        except RecipeInvalid:
            continue
        subject = Subject(
            path=path,
            pkgbase=recipe.pkgbase if recipe is not None else path,
            tree=listing[path],
            configuration=configuration,
            version=recipe.version if recipe is not None else "",
            sources=recipe.sources if recipe is not None else (),
        )
        state = states.get(path)
        same = state is not None and state.upstream == upstream_of(configuration)
        found.append(msgspec.structs.replace(subject, marks=state.marks) if same and state else subject)
    return found


def chosen(found: Sequence[Subject], names: Collection[str]) -> list[Subject]:
    """Those that `names` name by folder or pkgbase, () for all."""
    return [it for it in found if not names or it.path in names or it.pkgbase in names]


def upstream_of(configuration: Configuration) -> str:
    """What marks are about: with another one they mean nothing."""
    more = [name for name in ("follow_vcs", "nvchecker") if getattr(configuration, name)]
    return " ".join([configuration.upstream, *more])
