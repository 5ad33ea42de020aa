"""Amounts as people write and read them."""

import pytest

from quarters.model.size import Size


@pytest.mark.parametrize(
    ("written", "bytes_"),
    [
        (0, 0),
        (4096, 4096),
        ("4096", 4096),
        ("512 MiB", 512 << 20),
        ("8G", 8 << 30),
        ("8 gb", 8 << 30),
        ("1.5 GiB", 3 << 29),
        (" 2TiB ", 2 << 40),
        ("7 B", 7),
    ],
)
def test_an_amount_may_have_a_binary_unit(written: int | str, bytes_: int) -> None:
    assert Size.of(written) == bytes_


@pytest.mark.parametrize("written", [-1, "-1", "", "8 X", "G", "1e9", "8 GiB more"])
def test_anything_else_is_no_amount(written: int | str) -> None:
    with pytest.raises(ValueError, match="is not an amount such as 8 GiB"):
        Size.of(written)


@pytest.mark.parametrize(
    ("bytes_", "shown"),
    [(8 << 30, "8 GiB"), (3 << 29, "1.5 GiB"), (512 << 20, "512 MiB"), (7, "7 bytes"), (2 << 40, "2 TiB")],
)
def test_an_amount_is_shown_in_the_unit_that_suits(bytes_: int, shown: str) -> None:
    assert str(Size(bytes_)) == shown
