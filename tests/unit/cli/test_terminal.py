"""What strangers wrote, on its way to a terminal."""

from quarters.cli.terminal import harmless


def test_colours_and_lines_pass() -> None:
    text = "\x1b[1;31merror\x1b[0m\x1b[K:\tit\r\nbröke\n"
    assert harmless(text) == text


def test_whatever_else_a_terminal_obeys_becomes_visible() -> None:
    assert harmless("\x1b]0;title\x07") == "\\x1b]0;title\\x07"
    assert harmless("\x1b]52;c;cm0=\x07\x1b[2J\x1b[6n") == "\\x1b]52;c;cm0=\\x07\\x1b[2J\\x1b[6n"
    assert harmless("\x9b2J\x1bP\x08\x00") == "\\x9b2J\\x1bP\\x08\\x00"
