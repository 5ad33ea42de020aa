"""`python -m benchmarks [NAME…]` runs all benchmarks, or those named, and prints one table."""

import sys
from collections.abc import Callable, Mapping

from benchmarks import (
    build,
    farm,
    follow,
    idle,
    imports,
    overhead,
    plan,
    publish,
    queue,
    serving,
    simulate,
    sync,
    updates,
    upload,
)
from benchmarks.running import Skipped
from benchmarks.table import Row, show

_ALL: Mapping[str, Callable[[], list[Row]]] = {
    "build": build.rows,
    "plan": plan.of_the_corpus,
    "distribution": plan.of_a_distribution,
    "farm": farm.rows,
    "follow": follow.rows,
    "idle": idle.rows,
    "import": imports.rows,
    "overhead": overhead.rows,
    "publish": publish.rows,
    "queue": queue.rows,
    "serving": serving.rows,
    "simulate": simulate.rows,
    "sync": sync.rows,
    "updates": updates.rows,
    "upload": upload.rows,
}


def main(names: list[str]) -> int:
    """The exit code: 0, or 2 for a name that is unknown. A goal that was missed is for a person to judge."""
    unknown = [name for name in names if name not in _ALL]
    if unknown:
        print(f"bench: there is no {', '.join(unknown)}; there is {', '.join(_ALL)}.", file=sys.stderr)
        return 2
    measured: list[Row] = []
    skipped: list[str] = []
    for name in names or _ALL:
        print(f"bench: {name} …", file=sys.stderr)
        try:
            measured += _ALL[name]()
        except Skipped as why:
            skipped.append(f"{name} is left out: {why}")
    if measured:
        show(measured)
    print(*skipped, sep="\n", end="\n" if skipped else "")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
