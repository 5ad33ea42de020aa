"""Which machines' filters there are."""

from quarters.builder.seccomp import without_user_namespaces


def test_a_filter_is_of_whole_instructions_and_differs_by_machine() -> None:
    x86, arm = without_user_namespaces("x86_64"), without_user_namespaces("aarch64")
    assert len(x86) == len(arm) == 12 * 8
    assert x86 != arm


def test_an_unknown_machine_has_no_filter_rather_than_a_wrong_one() -> None:
    assert without_user_namespaces("riscv64") == b""
