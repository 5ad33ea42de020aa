"""Tags as versions."""

import pytest

from quarters.sources.tags import newest, version


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("v1.2.3", "1.2.3"),
        ("1.2.3", "1.2.3"),
        ("hello-1.2", "1.2"),
        ("release/2024.01", "2024.01"),
        ("v2.0-rc1", "2.0-rc1"),
        ("stable", ""),
        ("v1.2 beta", ""),
        ("v1.²", ""),
    ],
)
def test_a_tag_says_a_version_behind_its_name(tag: str, said: str) -> None:
    assert version(tag) == said


def test_the_newest_tag_is_the_highest_version_and_not_the_last_in_the_alphabet() -> None:
    assert newest(["v1.9", "v1.10", "v1.2", "nightly"], prereleases=False) == "v1.10"


@pytest.mark.parametrize(
    "tag", ["v2.0-rc1", "2.0rc1", "2.0-beta.2", "v2.0_alpha", "2.0a1", "2.0.dev3", "V2.0-RC.1"]
)
def test_what_comes_before_a_release_counts_only_if_it_is_asked_for(tag: str) -> None:
    assert newest(["v1.0", tag], prereleases=False) == "v1.0"
    assert newest(["v1.0", tag], prereleases=True) == tag
    assert newest([tag, "v2.0"], prereleases=True) == "v2.0"


def test_a_letter_behind_a_number_is_a_release_as_openssl_has_them() -> None:
    assert newest(["1.0.1", "1.0.2b", "1.0.2a"], prereleases=False) == "1.0.2b"


def test_where_nothing_is_a_version_there_is_none() -> None:
    assert newest(["stable", "latest"], prereleases=True) == ""
