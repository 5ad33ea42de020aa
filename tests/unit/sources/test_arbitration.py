"""Which folder speaks for a pkgbase."""

from quarters.model.recipe import Origin, Output, Recipe, SourcedRecipe
from quarters.sources.arbitration import problem, settle


def origin(path: str, revision: str = "r1", fingerprint: str = "f") -> Origin:
    return Origin(source="tree", path=path, revision=revision, fingerprint=fingerprint)


def folder(path: str, pkgbase: str, version: str = "1-1") -> SourcedRecipe:
    recipe = Recipe(pkgbase=pkgbase, version=version, arches=("any",), outputs=(Output(pkgbase, ("any",)),))
    return SourcedRecipe(pkgbase=pkgbase, origin=origin(path), recipe=recipe)


def by_name(*rows: SourcedRecipe) -> dict[str, SourcedRecipe]:
    return {row.pkgbase: row for row in rows}


def test_what_did_not_change_is_not_written() -> None:
    rows = (folder("a", "a"), folder("b", "b"))
    verdict = settle(by_name(*rows), rows)
    assert (verdict.put, verdict.withdrawn) == ((), ())


def test_a_folder_that_is_gone_is_withdrawn() -> None:
    assert settle(by_name(folder("a", "a"), folder("b", "b")), [folder("b", "b")]).withdrawn == ("a",)


def test_the_folder_of_the_same_name_speaks_for_a_pkgbase_whatever_the_order() -> None:
    both = [folder("aaa", "x"), folder("x", "x")]
    for found in (both, both[::-1]):
        put = by_name(*settle({}, found).put)
        assert put["x"].origin.path == "x"
        assert put["aaa"].problem == "The folders 'aaa', 'x' all hold 'x'; 'x' is used."


def test_else_the_first_folder_by_name_speaks() -> None:
    put = by_name(*settle({}, [folder("c", "x"), folder("b", "x")]).put)
    assert (put["x"].origin.path, put["c"].origin.path) == ("b", "c")


def test_the_other_folder_takes_over_without_being_read_again() -> None:
    before = by_name(*settle({}, [folder("aaa", "x", "2-1"), folder("x", "x")]).put)
    verdict = settle(before, [before["aaa"]])
    (heir,) = verdict.put
    assert (heir.pkgbase, heir.origin.path, heir.problem, verdict.withdrawn) == ("x", "aaa", "", ("aaa",))


def test_a_standing_conflict_is_no_news() -> None:
    found = settle({}, [folder("aaa", "x"), folder("x", "x")]).put
    again = settle(by_name(*found), found)
    assert (again.put, again.withdrawn) == ((), ())


def test_a_folder_that_can_no_longer_be_read_keeps_its_pkgbase() -> None:
    (row,) = settle(by_name(folder("dir", "x")), [problem(origin("dir"), "Broken.")]).put
    assert (row.pkgbase, row.problem, row.recipe) == ("x", "Broken.", None)


def test_an_unreadable_folder_takes_no_pkgbase_from_a_readable_one() -> None:
    rows = by_name(
        *settle({}, [problem(origin("x"), "Broken."), folder("dir", "x"), folder("x (2)", "x (2)")]).put
    )
    assert rows["x"].origin.path == "dir"
    assert rows["x (3)"].problem == "Broken."


def test_an_old_problem_at_a_later_revision_is_no_news() -> None:
    old = problem(origin("x", "r1"), "No sandbox.", passing=True)
    assert settle(by_name(old), [problem(origin("x", "r2"), "No sandbox.", passing=True)]).put == ()
    assert settle(by_name(old), [problem(origin("x", "r2"), "Something else.", passing=True)]).put != ()
