"""Signs with a secret key in a file."""

import sys
from pathlib import Path

from pysequoia import SignatureMode, Tsk, sign

from quarters.model.errors import Unavailable
from quarters.publishing.signing import certificates, processes
from quarters.publishing.signing.verification import AT_ONCE


class FileSigner:
    """A secret key without a passphrase, in `path` and, as it was read from there, in `secret`."""

    def __init__(self, path: Path, secret: Tsk, timeout: float) -> None:
        self._path = path
        self._secret = secret
        self._timeout = timeout
        self.fingerprint = certificates.fingerprint(secret.extract_certificate())

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`."""
        try:
            return sign(self._secret.signer(), data, mode=SignatureMode.DETACHED, armor=False)
        except RuntimeError as error:
            raise Unavailable(f"Nothing can be signed: {certificates.first_line(error)}.") from None

    def sign_file(self, path: Path) -> bytes:
        """The signature of a file; that of a large one is made by a process of its own."""
        if path.stat().st_size <= AT_ONCE:
            return self.sign(path.read_bytes())
        module = [sys.executable, "-P", "-m", "quarters.publishing.signing.detached"]
        return processes.answer([*module, "sign", str(path), str(self._path)], b"", self._timeout)
