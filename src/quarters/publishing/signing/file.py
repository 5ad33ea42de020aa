"""Signs with a secret key in a file."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

from pysequoia import SignatureMode, Tsk, sign

from quarters.model.errors import Unavailable
from quarters.publishing.signing import certificates, processes
from quarters.publishing.signing.ed25519 import Digest, Ed25519
from quarters.publishing.signing.verification import AT_ONCE


class FileSigner:
    """A secret key without a passphrase, in `path` and, as it was read from there, in `secret`; `quick` is of the same."""

    def __init__(self, path: Path, secret: Tsk, quick: Ed25519 | None, timeout: float) -> None:
        self._path = path
        self._secret = secret
        self._quick = quick
        self._timeout = timeout
        self.fingerprint = certificates.fingerprint(secret.extract_certificate())

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`."""
        return self._quickly(lambda: hashlib.sha256(data)) or self._slowly(data)

    def sign_file(self, path: Path) -> bytes:
        """The signature of a file; that of a large one by a key that is not `quick` is made by a process of its own."""
        with path.open("rb") as file:
            if signature := self._quickly(lambda: hashlib.file_digest(file, "sha256")):
                return signature
        if path.stat().st_size <= AT_ONCE:
            return self._slowly(path.read_bytes())
        module = [sys.executable, "-P", "-m", "quarters.publishing.signing.detached"]
        return processes.answer([*module, "sign", str(path), str(self._path)], b"", self._timeout)

    def _quickly(self, hashed: Callable[[], Digest]) -> bytes | None:
        try:
            return None if self._quick is None else self._quick.sign(hashed)
        except RuntimeError as error:
            raise _refused(error) from None

    def _slowly(self, data: bytes) -> bytes:
        try:
            return sign(self._secret.signer(), data, mode=SignatureMode.DETACHED, armor=False)
        except RuntimeError as error:
            raise _refused(error) from None


def _refused(error: RuntimeError) -> Unavailable:
    return Unavailable(f"Nothing can be signed: {certificates.first_line(error)}.")
