"""What strangers wrote, made fit for people's eyes."""

from quarters.model.text import plain


def test_what_a_terminal_would_obey_becomes_visible() -> None:
    assert plain("a\x1b]0;title\x07\x9b2J\ufffd\udcff") == "a\\x1b]0;title\\x07\\x9b2J\ufffd\\udcff"


def test_it_stays_one_line() -> None:
    assert plain("one\ntwo\tthree") == "one two three"


def test_what_is_too_long_ends_with_a_mark() -> None:
    assert plain("x" * 10, 5) == "xxxx…"
    assert plain("x" * 5, 5) == "xxxxx"
    assert len(plain("\x00" * 100, 50)) == 50
