"""What of a growing log can be shown."""

from quarters.server.tails import whole_lines


def test_a_line_is_shown_once_it_has_ended() -> None:
    assert whole_lines(b"one\ntwo\nthr", over=False) == b"one\ntwo\n"
    assert whole_lines(b"thr", over=False) == b""


def test_the_last_line_is_shown_when_the_build_is_over() -> None:
    assert whole_lines(b"one\nthr", over=True) == b"one\nthr"


def test_an_endless_line_is_shown_before_it_ends() -> None:
    assert whole_lines(b"x" * 70_000, over=False) == b"x" * 70_000


def test_nothing_is_cut_within_a_line_because_the_log_is_long() -> None:
    piece = b"y\n" * (1 << 18) + b"z" * (1 << 19)
    assert len(piece) == 1 << 20
    assert whole_lines(piece, over=True) == b"y\n" * (1 << 18)
