"""Renewals: recipes that are built again because a package elsewhere has another version."""

from hypothesis import given
from hypothesis import strategies as st

from quarters.planning.renewal import renewals

NAMES = st.sampled_from(["icu", "boost", "ffmpeg"])
VERSIONS = st.dictionaries(NAMES, st.sampled_from(["1-1", "1-2", "2-1"]))


def test_any_other_version_is_a_reason_even_a_lower_one() -> None:
    found = renewals(
        {"a": ("icu", "boost"), "b": ("boost",)},
        {"icu": "2-1", "boost": "1-1"},
        {"icu": "1-9", "boost": "1-1"},
    )
    assert found == {"a": "icu went from 2-1 to 1-9"}


@given(st.dictionaries(st.text(min_size=1, max_size=2), st.lists(NAMES, max_size=3)), VERSIONS, VERSIONS)
def test_exactly_the_recipes_that_name_a_package_whose_version_changed_are_renewed(
    triggers: dict[str, list[str]], seen: dict[str, str], now: dict[str, str]
) -> None:
    changed = {name for name in seen.keys() & now.keys() if seen[name] != now[name]}
    assert set(renewals(triggers, seen, now)) == {
        it for it, names in triggers.items() if changed & set(names)
    }
