"""What strangers wrote, as it may stand in a row, in a message and before people's eyes."""

_LONGEST = 2000


def plain(text: str, longest: int = _LONGEST) -> str:
    """One line of at most `longest` characters, in which nothing moves a cursor or rings a bell.

    Whatever cannot be printed becomes its escape (`\\x1b`), so that it is still told that it was there.
    """
    shown = "".join(
        letter if letter.isprintable() else " " if letter in "\t\n\r" else ascii(letter)[1:-1]
        for letter in text[: longest + 1]
    )
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
