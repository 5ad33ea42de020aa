"""The kernel's own count of processes that it ended for want of memory."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

_LIMIT = 48 << 20
_HUNGRY = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = bytearray(200 << 20)'])"
_COUNT = "from quarters.builder.memory import oom_kills; print(oom_kills())"


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group that may use little memory."""
    one, two = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    folder = (one if one.is_dir() else two) / f"quarters-test-{uuid4().hex}"
    try:
        folder.mkdir()
        limit = folder / ("memory.limit_in_bytes" if one.is_dir() else "memory.max")
        limit.write_text(str(_LIMIT))
    except OSError:
        if folder.is_dir():
            folder.rmdir()
        pytest.skip("control groups for memory cannot be made here")
    yield folder
    folder.rmdir()


def test_a_process_that_wants_too_much_is_counted_by_its_builder(group: Path) -> None:
    script = f"open({str(group / 'cgroup.procs')!r}, 'w').write('0')\n{_COUNT}\n{_HUNGRY}\n{_COUNT}"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    before, after = map(int, ran.stdout.split())
    assert (before, after) == (0, 1)
