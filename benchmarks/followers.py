"""Followers of a log, as `python -m benchmarks.followers URL COUNT`: prints when all listen, then how late they were.

Most of them have the kernel throw away what they are sent, as they are to cost the machine little; a few read it.
"""

import json
import select
import socket
import sys
import time
from urllib.parse import urlsplit

READERS = 3
_ALL = 1 << 20
_NOWHERE = bytearray(_ALL)
"""Is not written to: MSG_TRUNC (tcp(7)) throws away what came."""


class Follower:
    """One connection; `late` is the most seconds that a line was old when it came."""

    def __init__(self, url: str, *, reads: bool) -> None:
        place = urlsplit(url)
        self.socket = socket.create_connection((place.hostname or "", place.port or 80))
        request = f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n\r\n"
        self.socket.sendall(request.encode())
        self.late = 0.0
        self.size = 0
        self.ended = 0.0
        self._reads = reads
        self._rest = b""
        self._number = 0

    def take(self) -> bool:
        """Receive what is there; False at the end."""
        if not self._reads:
            size = self.socket.recv_into(_NOWHERE, _ALL, socket.MSG_TRUNC)
        else:
            data = self.socket.recv(_ALL)
            size = len(data)
            self._look(data)
        self.size += size
        if not size:
            self.ended = time.time()
        return size > 0

    def _look(self, data: bytes) -> None:
        """Each line is `data: TIME NUMBER …`; lengths of chunks come on lines of their own between events."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        found = [line.split(b" ", 3) for line in lines if line.startswith(b"data: 1")]
        if not found:
            return
        numbers = [int(line[2]) for line in found]
        if numbers != list(range(self._number, self._number + len(numbers))):
            raise RuntimeError("lines are missing, or came twice")
        self._number += len(numbers)
        self.late = max(self.late, time.time() - float(found[0][1]))


def main(url: str, count: int) -> None:
    """Follow until the end."""
    followers = {it.socket.fileno(): it for it in (Follower(url, reads=n < READERS) for n in range(count))}
    poll = select.epoll()
    for number, follower in followers.items():
        follower.socket.recv(1, socket.MSG_PEEK)
        poll.register(number, select.EPOLLIN)
    print("listening", flush=True)
    left = len(followers)
    while left:
        for number, _ in poll.poll():
            if not followers[number].take():
                poll.unregister(number)
                left -= 1
    found = followers.values()
    said = {
        "late": max(it.late for it in found),
        "ended": max(it.ended for it in found),
        "least": min(it.size for it in found),
    }
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
