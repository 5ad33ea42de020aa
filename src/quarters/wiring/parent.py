"""Ends a process together with the one that started it, however that one ends."""

import ctypes
import os
import signal

from quarters.model.errors import Unavailable

_PR_SET_PDEATHSIG = 1  # prctl(2)


def end_with(parent: int) -> None:
    """Have the kernel send SIGTERM when the process `parent`, which started this one, is gone; Unavailable if it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise Unavailable(f"prctl failed: {os.strerror(ctypes.get_errno())}.")
    # It may have ended before the kernel was told.
    if os.getppid() != parent:
        raise Unavailable("The process that started this one has ended.")
