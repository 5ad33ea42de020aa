"""Which folder speaks for a pkgbase, and under which name a folder is kept that cannot be read."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain, count

import msgspec

from quarters.model.recipe import Origin, SourcedRecipe

LOOK_AGAIN = ""
"""The fingerprint of a folder whose problem may pass without any of its files changing."""


class Verdict(msgspec.Struct, frozen=True):
    """What to change so that the rows say what the source says; nothing in either if they do already."""

    put: tuple[SourcedRecipe, ...]
    withdrawn: tuple[str, ...]
    lessened: tuple[str, ...] = ()
    """Pkgbases that make fewer packages than before."""


def settle(before: Mapping[str, SourcedRecipe], found: Iterable[SourcedRecipe]) -> Verdict:
    """Compare what was known, by pkgbase, with everything that the source has now, a recipe or a problem a folder.

    Where several folders hold the same pkgbase, the one of that name speaks for it, else the first by name; the others
    become problems that name them all, and keep their recipe in case the one that is used goes away. A folder that
    cannot be read keeps the pkgbase that it had, else is known by its own name.
    """
    after: dict[str, SourcedRecipe] = {}
    silent: list[SourcedRecipe] = []
    claims: defaultdict[str, list[SourcedRecipe]] = defaultdict(list)
    for each in found:
        if each.recipe is None:
            silent.append(each)
        else:
            claims[each.recipe.pkgbase].append(each)
    for pkgbase, claimants in claims.items():
        chosen, *others = sorted(claimants, key=lambda each: (each.origin.path != pkgbase, each.origin.path))
        after[pkgbase] = (
            msgspec.structs.replace(chosen, pkgbase=pkgbase, problem="") if chosen.problem else chosen
        )
        silent += [_refused(other, pkgbase, chosen, claimants) for other in others]
    names = {known.origin.path: pkgbase for pkgbase, known in before.items()}
    for each in sorted(silent, key=lambda each: each.origin.path):
        path = each.origin.path
        choices = chain((names.get(path, path), path), (f"{path} ({number})" for number in count(2)))
        key = next(choice for choice in choices if choice not in after)
        after[key] = each if each.pkgbase == key else msgspec.structs.replace(each, pkgbase=key)
    return Verdict(
        put=tuple(each for key, each in after.items() if not _says_the_same(before.get(key), each)),
        withdrawn=tuple(key for key in before if key not in after),
        lessened=tuple(key for key in after if _makes_less(before.get(key), after[key])),
    )


def _makes_less(before: SourcedRecipe | None, after: SourcedRecipe) -> bool:
    if before is None or before.recipe is None or after.recipe is None:
        return False
    return bool({it.name for it in before.recipe.outputs} - {it.name for it in after.recipe.outputs})


def _says_the_same(before: SourcedRecipe | None, after: SourcedRecipe) -> bool:
    if before is not None and before.recipe is None and after.recipe is None:
        # Looked at again, perhaps at a later revision: no news if the problem is the old one.
        origins = (before.origin, after.origin)
        paths, fingerprints = {each.path for each in origins}, {each.fingerprint for each in origins}
        return before.problem == after.problem and len(paths) == len(fingerprints) == 1
    return before == after


def problem(origin: Origin, sentence: str, *, passing: bool = False) -> SourcedRecipe:
    """A folder that cannot be read; `passing`: look at it again even if nothing in it changes."""
    if passing:
        origin = msgspec.structs.replace(origin, fingerprint=LOOK_AGAIN)
    return SourcedRecipe(pkgbase=origin.path, origin=origin, problem=sentence)


def _refused(
    other: SourcedRecipe, pkgbase: str, chosen: SourcedRecipe, claimants: list[SourcedRecipe]
) -> SourcedRecipe:
    paths = ", ".join(sorted(repr(each.origin.path) for each in claimants))
    sentence = f"The folders {paths} all hold {pkgbase!r}; {chosen.origin.path!r} is used."
    return msgspec.structs.replace(other, pkgbase=other.origin.path, problem=sentence)
