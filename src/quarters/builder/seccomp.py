"""A filter of system calls for bubblewrap: no user namespaces, and where it is wanted no local sockets.

In a namespace of its own, whoever is root of a root could mount what the kernel lets such roots mount (control groups
above all), and to that the machine's files belong to the same user. Local sockets with abstract names are reached by
whoever has the machine's network, and their owners take the root of a root for the machine's.
"""

import errno
import platform
import struct
from typing import NamedTuple


class _Machine(NamedTuple):
    """A machine's mark (linux/audit.h) and numbers of system calls."""

    mark: int
    clone: int
    unshare: int
    socket: int


_MACHINES = {"x86_64": _Machine(0xC000003E, 56, 272, 41), "aarch64": _Machine(0xC00000B7, 220, 97, 198)}
_CLONE3 = 435
"""Its flags are in memory, where a filter cannot look; told that it does not exist, programs take `clone`."""
_NEWUSER = 0x10000000  # CLONE_NEWUSER, sched.h
_AF_UNIX = 1
_X32 = 0x40000000
# struct seccomp_data: the call's number, the machine, the instruction, the arguments.
_NUMBER, _MARK, _FIRST = 0, 4, 16
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000


def restricted(machine: str | None = None, *, local_sockets: bool = True) -> bytes:
    """The filter as bubblewrap takes it; empty for machines whose numbers are not known here."""
    known = _MACHINES.get(machine or platform.machine())
    if known is None:
        return b""
    # Jumps count steps that are left out; those over the part about sockets are longer by its steps.
    sockets = (
        []
        if local_sockets
        else [(_EQUAL, 0, 2, known.socket), (_LOAD, 0, 0, _FIRST), (_EQUAL, 5, 4, _AF_UNIX)]
    )
    more = len(sockets)
    steps = [
        (_LOAD, 0, 0, _MARK),
        # Programs for an older sibling of the machine number their calls otherwise.
        (_EQUAL, 0, 8 + more, known.mark),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 6 + more, 0, _X32),
        (_EQUAL, 6 + more, 0, _CLONE3),
        *sockets,
        (_EQUAL, 1, 0, known.clone),
        (_EQUAL, 0, 2, known.unshare),
        (_LOAD, 0, 0, _FIRST),
        (_ANY_BIT, 1, 0, _NEWUSER),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE | errno.EPERM),
        (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
