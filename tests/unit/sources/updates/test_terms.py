"""What the source's settings, the tree's `.ci/config` and the defaults come to."""

from quarters.model.source import Source
from quarters.model.updates import Updates
from quarters.sources.updates.terms import terms

CHAOTIC = """\
GIT_AUTHOR_NAME="Chaotic CI"
GIT_AUTHOR_EMAIL=ci@example.org
CI_MAX_PARALLEL=3
CI_CLONE_DELAY=2
CI_AUR_PROXY=http://proxy.example:8080
CI_OVERWRITE_COMMITS=true
CI_NVCHECKER_REVIEW=true
CI_MANAGE_AUR=false
"""


def source(how: Updates) -> Source:
    return Source(name="tree", kind="tree", location="/x", repository="main", updates=how)


def test_a_tree_says_what_its_source_leaves_open() -> None:
    found = terms(source(Updates(publish="ssh://aur")), CHAOTIC)
    assert found.committer.author == "Chaotic CI <ci@example.org>"
    assert (found.parallel, found.delay, found.proxy) == (3, 2.0, "http://proxy.example:8080")
    assert found.committer.overwrite
    assert found.nvchecker_reviewed
    assert found.publish == ""


def test_a_source_has_the_last_word() -> None:
    how = Updates(author="Me <me@example.org>", parallel=1, delay=0.0, proxy="", overwrite=False)
    found = terms(source(how), CHAOTIC)
    assert found.committer.author == "Me <me@example.org>"
    assert (found.parallel, found.delay, found.proxy, found.committer.overwrite) == (1, 0.0, "", False)


def test_where_nobody_says_anything_fetches_are_polite() -> None:
    found = terms(source(Updates()), "CI_CLONE_DELAY=soon\n")
    assert (found.parallel, found.delay, found.committer.overwrite) == (8, 0.5, False)
