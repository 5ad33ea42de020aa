"""What signs packages and indexes."""

from pathlib import Path
from typing import Protocol

LONGEST = 16384
"""Bytes that a detached signature may have for pacman (libalpm: dload.c)."""


class Signer(Protocol):
    """Makes binary detached signatures with one key; Unavailable where that is not possible now."""

    @property
    def fingerprint(self) -> str:
        """Of the primary key, in capital hexadecimal as gpg shows it."""
        ...

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`."""
        ...

    def sign_file(self, path: Path) -> bytes:
        """The signature of a file of any size; to be called off the event loop."""
        ...
