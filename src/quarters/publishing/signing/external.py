"""Signs by other programs: gpg and its agent, or whatever reaches a hardware security module."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from pysequoia import Cert

from quarters.model.errors import SignatureRefused, Unavailable
from quarters.publishing.signing import certificates, processes, verification


class ExternalSigner:
    """A program that reads what to sign from its standard input and prints the binary detached signature.

    No signature is taken that the public key does not bear out: a wrong slot of a module, or a program that prints
    something else, would only be noticed by clients.
    """

    def __init__(
        self,
        cert: Cert,
        command: Sequence[str],
        variables: Mapping[str, str],
        timeout: float,
        now: Callable[[], datetime],
    ) -> None:
        self._cert = cert
        self._command = command
        self._variables = variables
        self._timeout = timeout
        self._now = now
        self.fingerprint = certificates.fingerprint(cert)

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`."""
        return self._signed(data)

    def sign_file(self, path: Path) -> bytes:
        """The signature of a file, which the program reads by itself."""
        return self._signed(path)

    def _signed(self, content: bytes | Path) -> bytes:
        signature = processes.answer(self._command, content, self._timeout, self._variables)
        try:
            verification.check(content, signature, [self._cert], self._now())
        except SignatureRefused as error:
            raise Unavailable(
                f"Nothing can be signed: {self._command[0]} answered wrongly. {error}"
            ) from None
        return signature


def gpg(cert: Cert, home: Path | None, timeout: float, now: Callable[[], datetime]) -> ExternalSigner:
    """By gpg, whose agent has the secret key or knows the card that has it; `home` is its GNUPGHOME."""
    command = ["gpg", "--batch", "--no-tty", "--quiet", "--local-user", certificates.fingerprint(cert)]
    command += ["--no-armor", "--detach-sign", "--output", "-", "-"]
    return ExternalSigner(cert, command, {} if home is None else {"GNUPGHOME": str(home)}, timeout, now)


def command(
    cert: Cert, name: str, argv: Sequence[str], timeout: float, now: Callable[[], datetime]
) -> ExternalSigner:
    """By a command of the administrator's, which is told the key's name and fingerprint in its environment."""
    variables = {"QUARTERS_KEY": name, "QUARTERS_FINGERPRINT": certificates.fingerprint(cert)}
    return ExternalSigner(cert, argv, variables, timeout, now)
