"""What strangers wrote, on its way to a terminal: colours pass, everything else that a terminal obeys does not."""

import re

# SGR sets colours, EL erases the rest of a line (gcc writes it after each colour); a tab and line ends are text.
_OBEYED = re.compile(r"(\x1b\[[0-9;:]*[mK])|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def harmless(text: str) -> str:
    """`text` with every other control character made visible: no title, clipboard, answer or cursor can be had by it."""
    return _OBEYED.sub(lambda found: found[1] or ascii(found[0])[1:-1], text)


# As builder/journal.py and builder/performer.py write them; a build can print the same, the API's steps tell for sure.
_BEGIN = re.compile(r"^\[quarters\] (step|hook) (\S+) started \S+T(\S+)Z$", re.MULTILINE)
_END = re.compile(r"^\[quarters\] (?:step|hook) \S+ ended \S+Z(?: exit=(\d+))?$\n?", re.MULTILINE)
_COMMAND = re.compile(r"^\[quarters\] \$ (.*)$", re.MULTILINE)
_REMARK = re.compile(r"^\[quarters\] (.*)$", re.MULTILINE)
_BOLD, _DIM, _RED, _BLUE, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[1;31m", "\x1b[1;34m", "\x1b[m"


def outlined(log: str) -> str:
    """Whole lines of a log as people like to read them: headings for steps and hooks, commands in bold."""
    log = _BEGIN.sub(lambda it: f"{_BLUE}── {it[2]} {'─' * max(2, 50 - len(it[2]))} {it[3]}{_PLAIN}", log)
    log = _END.sub(lambda it: f"{_RED}exit code {it[1]}{_PLAIN}\n" if it[1] not in (None, "0") else "", log)
    log = _COMMAND.sub(lambda it: f"{_BOLD}$ {it[1]}{_PLAIN}", log)
    return _REMARK.sub(lambda it: f"{_DIM}{it[1]}{_PLAIN}", log)
