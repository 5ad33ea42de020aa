"""The packages that builds downloaded, kept for those to come: not for ever, and not without bounds."""

import os
import stat
import time
from pathlib import Path

_UNUSED = 30 * 86_400
"""Seconds without a use after which a package goes."""


def prune(folder: Path, limit: int) -> int:
    """Remove packages that nothing read for a month, and the longest unused above `limit` bytes; how many went.

    To be done while no build is about to install: what it found there may be gone then.
    """
    entries = [(entry, entry.stat(follow_symlinks=False)) for entry in os.scandir(folder)]
    found = sorted((it for it in entries if stat.S_ISREG(it[1].st_mode)), key=lambda it: _last_use(it[1]))
    left = sum(state.st_blocks * 512 for _, state in found)
    removed = 0
    for entry, state in found:
        if left <= limit and time.time() - _last_use(state) < _UNUSED:
            break
        os.unlink(entry.path)
        left -= state.st_blocks * 512
        removed += 1
    return removed


def _last_use(state: os.stat_result) -> float:
    # pacman gives files the date that their server has; when one came here, its inode was changed.
    return max(state.st_atime, state.st_ctime)
