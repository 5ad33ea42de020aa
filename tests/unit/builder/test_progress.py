"""Steps, as makepkg's messages tell them and as the log and the journal show them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quarters.builder.failure import BuildFailed
from quarters.builder.journal import Journal
from quarters.builder.log import BuildLog
from quarters.builder.progress import Progress
from quarters.model.build import Reason, Step

OUTPUT = (
    b"==> Making package: a 1-1\n"
    b"\x1b[1m\x1b[32m==>\x1b(B\x1b[m\x1b[1m Starting prepare()...\x1b(B\x1b[m\nx\n"
    b"==> Starting build()...\ny\n"
    b"==> Entering fakeroot environment...\n==> Starting package()...\n"
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal whose clock goes a second further with each look."""
    time = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(100))
    with BuildLog(tmp_path / "log", 10_000) as log:
        yield Journal(log, lambda: next(time))


def steps(journal: Journal) -> list[tuple[Step, int | None]]:
    """Steps with their exit codes."""
    return [(record.step, record.exit_code) for record in journal.steps]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_announced_functions_begin_steps_however_the_output_is_cut(journal: Journal, size: int) -> None:
    journal.begin(Step.SOURCES)
    progress = Progress(journal)
    for start in range(0, len(OUTPUT), size):
        progress.feed(OUTPUT[start : start + size])
    progress.close()
    assert steps(journal) == [(Step.SOURCES, 0), (Step.PREPARE, 0), (Step.BUILD, 0), (Step.PACKAGE, None)]
    assert progress.accepted
    text = journal.log.tail(0)
    for record in journal.steps:
        assert text[record.log_offset :].startswith(
            f"[quarters] step {record.step} started 2026-01-01T00:00:"
        )
    assert text[journal.steps[2].log_offset :].splitlines()[1] == "==> Starting build()..."
    said = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("[quarters]"))
    assert said.encode() == OUTPUT


def test_a_recipe_that_prints_the_same_words_cannot_go_back(journal: Journal) -> None:
    journal.begin(Step.SOURCES)
    Progress(journal).feed(b"==> Starting check()...\n==> Starting build()...\n ==> Starting package()...\n")
    assert steps(journal) == [(Step.SOURCES, 0), (Step.CHECK, None)]


def test_a_failure_is_put_down_to_the_step_that_it_belongs_to(journal: Journal) -> None:
    journal.begin(Step.RECIPE)
    journal.begin(Step.SOURCES)
    journal.blame(Step.RECIPE, 12)
    assert steps(journal) == [(Step.RECIPE, 12)]
    journal.begin(Step.SOURCES)
    journal.blame(Step.DEPENDENCIES, 8)
    assert steps(journal) == [(Step.RECIPE, 12), (Step.DEPENDENCIES, 8)]
    assert journal.log.tail(0).endswith("Z exit=8\n")


def test_output_beyond_the_limit_ends_the_build_and_the_mark_still_fits(tmp_path: Path) -> None:
    with BuildLog(tmp_path / "log", 10) as log:
        log.output(b"12345678")
        with pytest.raises(BuildFailed) as failed:
            log.output(b"90ab")
        log.say("the end")
        assert failed.value.reason is Reason.LOG_TOO_LARGE
        mark = "[quarters] The log passed its limit of 10 bytes; the build was ended.\n"
        assert log.tail(0) == f"1234567890{mark}[quarters] the end\n"
