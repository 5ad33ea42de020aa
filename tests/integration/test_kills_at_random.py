"""Publishing that is killed at any moment, not only where the disk is touched."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

KILLS = 200
KINDS = {"upload", "delivery", "promotion", "rollback", "cleaning", "upload beside cleaning"}


def test_killed_at_200_random_moments_a_repository_is_the_old_or_the_new_one_and_nothing_is_left_over(
    project: Path,
) -> None:
    seed = int(os.environ.get("QUARTERS_TEST_SEED") or random.randrange(1 << 32))
    print(f"to do the same again: QUARTERS_TEST_SEED={seed}")
    with TemporaryDirectory(prefix="q-", dir="/var/tmp") as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.integration.kill_at_random", folder, str(seed), str(KILLS)],
            cwd=project, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        *lives, found, left = map(json.loads, done.stdout.splitlines())
    in_the_midst: Counter[str] = Counter()
    for life, then in zip(lives, [*(it["found"] for it in lives[1:]), found], strict=True):
        assert then["listed"] in ([life["after"]] if life["done"] else [life["before"], life["after"]]), life
        # A delivery is gone on with; nobody is there to go on with anything else.
        assert then["then"] == (life["after"] if life["kind"] == "delivery" else then["listed"])
        assert (then["unsigned"], then["findings"], then["unfinished"]) == ([], [], [])
        in_the_midst[life["kind"]] += not life["done"]
    assert in_the_midst.total() == KILLS
    assert in_the_midst.keys() == KINDS
    assert all(in_the_midst[kind] >= 10 for kind in KINDS), in_the_midst
    assert left.pop("files") == left.pop("packages")
    assert left.pop("builds") >= in_the_midst["delivery"]
    nothing = {"findings": [], "marked": 0, "incoming": [], "unpublished": []}
    assert left == nothing | {"indexes": {"own": 3, "final": 3}}
