"""What a promotion may not break."""

from hypothesis import given
from hypothesis import strategies as st

from quarters.formats.pacman import Pacman
from quarters.model.recipe import Provision
from quarters.planning.promotion import Installable, Lack, lacking

PACMAN = Pacman()


def one(name: str, version: str = "1-1", *, needs: str = "", gives: str = "") -> Installable:
    return Installable(
        name=name,
        version=version,
        depends=tuple(map(PACMAN.parse_dependency, needs.split())),
        provides=tuple(Provision(*it.split("=", 1)) for it in gives.split()),
    )


def told(
    joining: list[Installable], staying: list[Installable], upstream: list[Installable] | None = None
) -> list[tuple[str, str, str]]:
    others = [(Provision(it.name, it.version), *it.provides) for it in upstream or []]
    found = lacking(joining, staying, others, PACMAN.satisfies)
    return [(it.package, str(it.dependency), it.replaced) for it in found]


def test_what_joins_needs_everything_that_it_depends_on() -> None:
    assert told([one("app", needs="lib glibc")], [one("lib")]) == [("app", "glibc", "")]


def test_what_joins_together_may_satisfy_each_other() -> None:
    assert told([one("app", needs="lib>=2"), one("lib", "2-1", needs="app")], []) == []


def test_an_upstream_counts() -> None:
    assert (
        told(
            [one("app", needs="glibc>=2.38 libm.so=6-64")], [], [one("glibc", "2.40-1", gives="libm.so=6-64")]
        )
        == []
    )


def test_a_version_that_the_target_does_not_have_is_lacking() -> None:
    assert told([one("app", needs="lib>=2")], [one("lib", "1-1")]) == [("app", "lib>=2", "")]


def test_a_soname_that_the_new_version_no_longer_provides_is_lost_by_those_that_stay() -> None:
    staying = [one("lib", gives="liblib.so=1-64"), one("old", needs="liblib.so=1-64")]
    assert told([one("lib", "2-1", gives="liblib.so=2-64")], staying) == [("old", "liblib.so=1-64", "lib")]


def test_a_soname_is_not_lost_where_another_package_provides_it() -> None:
    staying = [
        one("lib", gives="liblib.so=1-64"),
        one("lib1", gives="liblib.so=1-64"),
        one("old", needs="liblib.so=1-64"),
    ]
    assert told([one("lib", "2-1", gives="liblib.so=2-64")], staying) == []


def test_nobody_is_blamed_for_what_was_lacking_before() -> None:
    assert told([one("lib")], [one("broken", needs="nowhere")]) == []


def test_what_is_replaced_does_not_need_anything_any_more() -> None:
    assert told([one("app", "2-1")], [one("app", needs="gone")]) == []


def test_an_unversioned_provide_satisfies_no_versioned_dependency() -> None:
    assert told([one("app", needs="lib=1")], [one("other", gives="lib")]) == [("app", "lib=1", "")]


_NAMES = st.sampled_from(["a", "b", "c", "d"])
_VERSIONS = st.sampled_from(["1-1", "2-1"])
_NEEDS = st.lists(
    st.builds(lambda name, op: f"{name}{op}", _NAMES, st.sampled_from(["", ">=2", "<2"])), max_size=2
)
_PACKAGES = st.lists(
    st.builds(
        lambda name, version, needs: one(name, version, needs=" ".join(needs)), _NAMES, _VERSIONS, _NEEDS
    ),
    unique_by=lambda it: it.name,
)


@given(joining=_PACKAGES, staying=_PACKAGES)
def test_a_dependency_is_lacking_exactly_if_a_client_could_not_install_it(
    joining: list[Installable], staying: list[Installable]
) -> None:
    def met(package: Installable, among: list[Installable]) -> set[str]:
        return {
            str(need)
            for need in package.depends
            if any(PACMAN.satisfies(Provision(it.name, it.version), need) for it in among)
        }

    names = {it.name for it in joining}
    after = [*joining, *(it for it in staying if it.name not in names)]
    expected = {(it.name, str(need)) for it in joining for need in it.depends} - {
        (it.name, need) for it in joining for need in met(it, after)
    }
    for it in staying:
        if it.name not in names:
            expected |= {(it.name, need) for need in met(it, staying) - met(it, after)}
    assert {(name, need) for name, need, _ in told(joining, staying)} == expected


def test_a_lack_says_which_version_of_which_package_is_affected() -> None:
    found = lacking([one("app", "3-1", needs="lib")], [], [], PACMAN.satisfies)
    assert found == [Lack(package="app", version="3-1", dependency=PACMAN.parse_dependency("lib"))]
