"""What strangers wrote, on its way to a terminal: colours pass, everything else that a terminal obeys does not."""

import re

# SGR sets colours, EL erases the rest of a line (gcc writes it after each colour); a tab and line ends are text.
_OBEYED = re.compile(r"(\x1b\[[0-9;:]*[mK])|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def harmless(text: str) -> str:
    """`text` with every other control character made visible: no title, clipboard, answer or cursor can be had by it."""
    return _OBEYED.sub(lambda found: found[1] or ascii(found[0])[1:-1], text)
