"""Which certificates a client believes beside those that the system trusts."""

import ssl

import aiohttp
import msgspec

from quarters.model.errors import ConfigInvalid

_SHA256 = 32


class Trust(msgspec.Struct, frozen=True):
    """`ca` is a file of certificates (PEM) of further authorities; `pin` the SHA-256 of the one certificate that is right.

    With a pin, who signed the certificate, until when and for which name does not matter.
    """

    ca: str = ""
    pin: str = ""

    def verification(self) -> ssl.SSLContext | aiohttp.Fingerprint | bool:
        """As aiohttp takes it; ConfigInvalid says what is wrong with a setting."""
        if self.pin:
            return aiohttp.Fingerprint(self._digest())
        if not self.ca:
            return True
        context = ssl.create_default_context()
        try:
            context.load_verify_locations(self.ca)
        except OSError as error:  # also what OpenSSL complains about
            why = error.strerror or "it holds no certificate in PEM"
            raise ConfigInvalid(f"The certificates in {self.ca} cannot be read: {why}.") from error
        return context

    def _digest(self) -> bytes:
        try:
            digest = bytes.fromhex(self.pin.replace(":", ""))
        except ValueError:
            digest = b""
        if len(digest) != _SHA256:
            raise ConfigInvalid(
                f"{self.pin!r} is not the SHA-256 of a certificate, 64 hexadecimal digits as in `openssl x509 "
                "-fingerprint -sha256`."
            )
        return digest


SYSTEM = Trust()
"""What the system trusts, and nothing else."""
