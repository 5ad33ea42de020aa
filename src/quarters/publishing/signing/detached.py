"""Signs or verifies one file in a process of its own: pysequoia holds the interpreter's lock for as long as it reads."""

import sys

from pysequoia import Cert, Sig, SignatureMode, Tsk, sign_file, verify


def main(verb: str, path: str, with_: str) -> None:
    """`sign FILE SECRET-KEY-FILE` prints the signature, `verify FILE SIGNATURE-IN-HEX` reads the public key from stdin."""
    if verb == "sign":
        signer = Tsk.from_file(with_).signer()
        sign_file(signer, path, "/dev/stdout", mode=SignatureMode.DETACHED, armor=False)
    else:
        cert = Cert.from_bytes(sys.stdin.buffer.read())
        verify(file=path, store=lambda _: [cert], signature=Sig.from_bytes(bytes.fromhex(with_)))


if __name__ == "__main__":
    main(*sys.argv[1:])
