"""Reads one package file in a process that may have little memory; prints what came of it as JSON.

Run with the file, the name that it is to have, and how many bytes more than at the start it may take.
"""

import json
import resource
import sys
import time
from pathlib import Path

from quarters.formats.pacman import Pacman
from quarters.model.errors import PackageInvalid


def _status(field: str) -> int:
    """Bytes of this process, as proc(5) has them."""
    line = next(it for it in Path("/proc/self/status").read_text().splitlines() if it.startswith(field))
    return int(line.split()[1]) * 1024


def main(path: Path, file_name: str, more: int) -> None:
    """Read it."""
    before = _status("VmHWM")
    limit = _status("VmSize") + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    began, refusal = time.process_time(), ""
    try:
        Pacman().read_package(path, file_name)
    except PackageInvalid as error:
        refusal = str(error)
    took = time.process_time() - began
    print(json.dumps({"refusal": refusal, "seconds": took, "bytes": _status("VmHWM") - before}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
