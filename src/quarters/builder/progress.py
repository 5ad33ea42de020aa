"""Follows makepkg by what it prints: each announced function begins a step."""

import re

from quarters.builder.journal import Journal
from quarters.model.build import Step

# makepkg: msg() in scripts/libmakepkg/util/message.sh; colours where it thinks that it writes to a terminal.
_MESSAGE = re.compile(
    rb"^(?:\x1b[^m]*m)*==>(?:\x1b[^m]*m)* (Starting \w+\(\)|Entering fakeroot environment)\.\.\."
)
_STEPS = {
    b"Starting prepare()": Step.PREPARE,
    b"Starting build()": Step.BUILD,
    b"Starting check()": Step.CHECK,
    b"Entering fakeroot environment": Step.PACKAGE,
}
_BEGUN = re.compile(rb"^(?:\x1b[^m]*m)*==>(?:\x1b[^m]*m)* Making package:")
_LONGEST = 1024
_ORDER = list(Step)


class Progress:
    """Hands output on to the log line by line; a step's mark stands before the line that announced it.

    A recipe may print the same words. So steps only ever go forward, and nothing but their times depends on them.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._begun_line = b""
        self.accepted = False
        """Whether makepkg has read the recipe and found nothing wrong with it."""

    def feed(self, data: bytes) -> None:
        """Take what was printed."""
        lines = (self._begun_line + data).splitlines(keepends=True)
        self._begun_line = b""
        if lines and not lines[-1].endswith(b"\n") and self._may_announce(lines[-1]):
            self._begun_line = lines.pop()
        plain: list[bytes] = []
        for line in lines:
            step = self._announced(line)
            if step is not None:
                self._journal.log.output(b"".join(plain))
                plain.clear()
                self._journal.begin(step)
            plain.append(line)
        self._journal.log.output(b"".join(plain))

    def close(self) -> None:
        """Take what was printed without an end of line as a line."""
        self._journal.log.output(self._begun_line + (b"\n" if self._begun_line else b""))
        self._begun_line = b""

    def _may_announce(self, line: bytes) -> bool:
        return line[:1] in (b"=", b"\x1b") and len(line) < _LONGEST

    def _announced(self, line: bytes) -> Step | None:
        if line[:1] not in (b"=", b"\x1b"):
            return None
        if _BEGUN.match(line):
            self.accepted = True
        found = _MESSAGE.match(line)
        step = _STEPS.get(found[1]) if found else None
        running = self._journal.running
        if step is None or (running is not None and _ORDER.index(step) <= _ORDER.index(running)):
            return None
        return step
