"""Newer recipes that wait for a person, beside those that are in force."""

from collections.abc import Iterable, Mapping

import msgspec


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe of which a newer state waits: what is planned is made of the one before."""

    pkgbase: str
    review: int
    message: str


def held(pkgbases: Iterable[str], reviews: Mapping[str, int]) -> tuple[Held, ...]:
    """Those of `pkgbases` that have one, by name; `reviews` are the newest that wait, by pkgbase."""
    return tuple(
        Held(
            pkgbase=it, review=reviews[it], message=f"A newer recipe of {it} waits for review {reviews[it]}."
        )
        for it in sorted(set(pkgbases) & reviews.keys())
    )
