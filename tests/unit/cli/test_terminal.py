"""What strangers wrote, on its way to a terminal."""

import pytest

from quarters.cli.terminal import harmless, outlined


def test_colours_and_lines_pass() -> None:
    text = "\x1b[1;31merror\x1b[0m\x1b[K:\tit\r\nbröke\n"
    assert harmless(text) == text


def test_whatever_else_a_terminal_obeys_becomes_visible() -> None:
    assert harmless("\x1b]0;title\x07") == "\\x1b]0;title\\x07"
    assert harmless("\x1b]52;c;cm0=\x07\x1b[2J\x1b[6n") == "\\x1b]52;c;cm0=\\x07\\x1b[2J\\x1b[6n"
    assert harmless("\x9b2J\x1bP\x08\x00") == "\\x9b2J\\x1bP\\x08\\x00"


def test_a_log_is_outlined_by_its_steps_hooks_and_commands() -> None:
    log = (
        "[quarters] step build started 2026-01-01T12:30:05Z\n[quarters] $ makepkg --force\ncc -c a.c\n"
        "[quarters] step build ended 2026-01-01T12:30:09Z exit=4\n[quarters] hook .CI/on-failure.sh started "
        "2026-01-01T12:30:10Z\n[quarters] hook .CI/on-failure.sh ended 2026-01-01T12:30:11Z exit=0\n"
        "[quarters] build() failed.\n"
    )
    assert outlined(log).splitlines() == [
        f"\x1b[1;34m── build {'─' * 45} 12:30:05\x1b[m",
        "\x1b[1m$ makepkg --force\x1b[m",
        "cc -c a.c",
        "\x1b[1;31mexit code 4\x1b[m",
        f"\x1b[1;34m── .CI/on-failure.sh {'─' * 33} 12:30:10\x1b[m",
        "\x1b[2mbuild() failed.\x1b[m",
    ]


@pytest.mark.parametrize("line", ["quarters] step", " [quarters] $ x", "[quarters]"])
def test_what_only_looks_like_a_mark_stays(line: str) -> None:
    assert outlined(line) == line
