"""The links that a web server in front follows: made only of answers that stand, gone before those change."""

import errno
from pathlib import Path

import pytest

from quarters.storage.public import PublicTree


@pytest.fixture
def tree(tmp_path: Path) -> PublicTree:
    return PublicTree(tmp_path / "public")


def shown(tmp_path: Path) -> dict[str, str]:
    """What a web server would send, by address."""
    root = tmp_path / "public" / "repo"
    return {str(it.relative_to(root)): it.read_text() for it in root.glob("*/*/*")}


def stored(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "packages" / text
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_is_found_at_its_address_also_where_the_data_folder_has_another_path(
    tree: PublicTree, tmp_path: Path
) -> None:
    tree.put(tree.moment, "own", "any", "greet-1:1-1", stored(tmp_path, "one"))
    assert shown(tmp_path) == {"own/any/greet-1:1-1": "one"}
    elsewhere = tmp_path / "mounted"
    elsewhere.mkdir()
    for folder in ("public", "packages"):
        (tmp_path / folder).rename(elsewhere / folder)
    assert shown(elsewhere) == {"own/any/greet-1:1-1": "one"}


def test_an_answer_from_before_a_change_or_from_within_is_not_taken(tree: PublicTree, tmp_path: Path) -> None:
    old, moment = stored(tmp_path, "old"), tree.moment
    with tree.closed("own"):
        tree.put(tree.moment, "own", "any", "greet", old)
    tree.put(moment, "own", "any", "greet", old)
    assert shown(tmp_path) == {}
    tree.put(tree.moment, "own", "any", "greet", stored(tmp_path, "new"))
    assert shown(tmp_path) == {"own/any/greet": "new"}


def test_a_change_takes_the_repository_and_its_snapshots_and_no_other(
    tree: PublicTree, tmp_path: Path
) -> None:
    file = stored(tmp_path, "one")
    for place in ("own", "own@2", "own-testing", "other@2"):
        tree.put(tree.moment, place, "any", "it", file)
    with tree.closed("own"):
        assert sorted(shown(tmp_path)) == ["other@2/any/it", "own-testing/any/it"]
    tree.sweep()
    assert sorted(it.name for it in (tmp_path / "public").iterdir()) == ["repo"]


def test_a_change_that_fails_leaves_the_repository_open(tree: PublicTree, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), tree.closed("own"), tree.closed("own"):
        raise RuntimeError
    tree.put(tree.moment, "own", "any", "it", stored(tmp_path, "one"))
    assert shown(tmp_path) == {"own/any/it": "one"}


def test_an_address_comes_to_stand_for_another_file(tree: PublicTree, tmp_path: Path) -> None:
    for text in ("one", "one", "two"):
        tree.put(tree.moment, "own@2", "any", "own.db", stored(tmp_path, text))
        assert shown(tmp_path) == {"own@2/any/own.db": text}


def test_a_start_begins_without_links(tree: PublicTree, tmp_path: Path) -> None:
    tree.clear()
    tree.put(tree.moment, "own", "any", "it", stored(tmp_path, "one"))
    later = PublicTree(tmp_path / "public")
    later.clear()
    later.sweep()
    assert list((tmp_path / "public").iterdir()) == []


def test_a_link_that_cannot_be_made_is_done_without(tree: PublicTree, tmp_path: Path) -> None:
    file = stored(tmp_path, "one")
    tree.put(tree.moment, "own", "any", "x" * 300, file)
    (tmp_path / "public" / "repo" / "own" / "x86_64").write_text("in the way")
    tree.put(tree.moment, "own", "x86_64", "it", file)
    assert shown(tmp_path) == {}


def test_where_a_file_has_as_many_names_as_it_can_have_a_symbolic_link_does(
    tree: PublicTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_link: Path, _target: Path) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    monkeypatch.setattr(Path, "hardlink_to", full)
    tree.put(tree.moment, "own", "any", "it", stored(tmp_path, "one"))
    assert shown(tmp_path) == {"own/any/it": "one"}
