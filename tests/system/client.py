"""A user's machine: a scratch root with the real pacman, which takes nothing unsigned."""

import os
import subprocess
from pathlib import Path

from tests.system.farm import Farm

SCRIPT = Path(__file__).with_name("client.sh")


def pacman(farm: Farm, repository: str, commands: str) -> str:
    """What shell commands print there: `$conf` is pacman's configuration, `$root` the root, `$cache` its downloads."""
    key = farm.folder / "key.asc"
    key.write_text(farm.run("key", "export"))
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", SCRIPT, farm.folder, farm.url, repository, commands],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
