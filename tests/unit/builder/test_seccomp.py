"""Which machines' filters there are."""

from quarters.builder.seccomp import restricted


def test_a_filter_is_of_whole_instructions_and_differs_by_machine() -> None:
    x86, arm = restricted("x86_64"), restricted("aarch64")
    assert len(x86) == len(arm) == 12 * 8
    assert x86 != arm
    assert len(restricted("x86_64", local_sockets=False)) == 15 * 8


def test_an_unknown_machine_has_no_filter_rather_than_a_wrong_one() -> None:
    assert restricted("riscv64") == b""
