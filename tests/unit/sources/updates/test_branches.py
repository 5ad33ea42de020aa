"""Which sources of a recipe follow a branch."""

import pytest

from quarters.sources.updates.branches import branches


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("git+https://example.org/a.git", ("https://example.org/a.git", "HEAD")),
        ("name::git+https://example.org/a.git", ("https://example.org/a.git", "HEAD")),
        ("git+https://example.org/a#branch=next", ("https://example.org/a", "refs/heads/next")),
        ("git+https://example.org/a?signed#branch=x/y", ("https://example.org/a", "refs/heads/x/y")),
        ("git+https://example.org/a#branch=next?signed", ("https://example.org/a", "refs/heads/next")),
        ("git://example.org/a.git", ("git://example.org/a.git", "HEAD")),
        ("git+ssh://git@example.org/a", ("ssh://git@example.org/a", "HEAD")),
    ],
)
def test_a_git_source_follows_its_branch_or_head(source: str, expected: tuple[str, str]) -> None:
    assert branches([source]) == [expected]


@pytest.mark.parametrize(
    "source",
    [
        "git+https://example.org/a#tag=v1",
        "git+https://example.org/a#commit=abc",
        "https://example.org/a.tar.gz",
        "a.patch",
        "git+file:///etc",
        "git+ssh://-oProxyCommand=id/a",
        "git+ext::sh -c id",
        "svn+https://example.org/a",
    ],
)
def test_what_names_a_commit_or_is_elsewhere_is_not_looked_at(source: str) -> None:
    assert branches([source]) == []


def test_the_same_branch_is_asked_for_once() -> None:
    assert len(branches(["git+https://example.org/a", "b::git+https://example.org/a"])) == 1
