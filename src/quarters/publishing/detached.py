"""Signs one file in a process of its own: pysequoia holds the interpreter's lock for as long as it reads."""

import sys

from pysequoia import SignatureMode, Tsk, sign_file


def main(key: str, path: str) -> None:
    """Write the binary detached signature of the file `path` by the secret key in the file `key` to standard output."""
    sign_file(Tsk.from_file(key).signer(), path, "/dev/stdout", mode=SignatureMode.DETACHED, armor=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
