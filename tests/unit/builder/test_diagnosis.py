"""What the words and codes of pacman, makepkg, compilers and tests mean."""

import re

import pytest

from quarters.builder.diagnosis import Clue, clues, diagnose
from quarters.model.build import Reason, Step

_A_STEP = {
    "before": Step.SOURCES,
    "functions": Step.BUILD,
    "prepare": Step.PREPARE,
    "check": Step.CHECK,
    "package": Step.PACKAGE,
    "any": Step.BUILD,
}
_EXAMPLES = [
    pytest.param(clue, line, id=f"{number}: {line[:40]}")
    for number, clue in enumerate(clues())
    for line in clue.example
]


@pytest.mark.parametrize(("clue", "line"), _EXAMPLES)
def test_each_entry_of_the_table_is_what_a_real_line_leads_to(clue: Clue, line: str) -> None:
    step = _A_STEP[clue.steps]
    log = f"==> Starting something...\n{line}\n==> ERROR: A failure occurred.\n    Aborting...\n"
    failure, blamed = diagnose(step, "makepkg --force", 1, log, network=bool(clue.network))
    assert (failure.reason, blamed) == (clue.reason_in(step), clue.blame or step)
    first = next(it for it in clues() if it.found(step, log, network=bool(clue.network)))
    assert first is clue


@pytest.mark.parametrize("clue", clues(), ids=lambda clue: clue.words[:40])
def test_every_entry_has_an_example_and_words_that_begin_and_end_in_one_line(clue: Clue) -> None:
    assert clue.example
    assert re.compile(clue.words).groups <= 1


def test_the_table_knows_every_kind_of_failure_that_is_spoken_of() -> None:
    assert {
        "download",
        "checksum",
        "PGP key",
        "missing dependency",
        "disk full",
        "out of memory",
        "network",
        "compiler",
        "test",
    } <= {clue.category for clue in clues()}


def test_the_message_shows_the_line_that_gave_it_away() -> None:
    log = "gcc -c a.c\na.c:1:10: fatal error: nothere.h: No such file or directory\nmake: *** [a] Error 1\n"
    failure, _ = diagnose(Step.BUILD, "makepkg", 4, log)
    assert str(failure) == "build() failed: a.c:1:10: fatal error: nothere.h: No such file or directory."


def test_a_build_that_wants_the_network_is_told_that_it_has_none() -> None:
    log = "curl: (6) Could not resolve host: example.org\n"
    cut_off, _ = diagnose(Step.BUILD, "makepkg", 4, log, network=False)
    connected, _ = diagnose(Step.BUILD, "makepkg", 4, log, network=True)
    assert (cut_off.reason, connected.reason) == (Reason.BUILD_FAILED, Reason.SOURCE_UNAVAILABLE)
    assert "wants the network" in str(cut_off)


def test_a_signal_that_nothing_in_the_log_explains_is_named() -> None:
    failure, _ = diagnose(Step.BUILD, "makepkg --force", 128 + 11, "")
    assert str(failure) == "makepkg ended with a segfault in build."
    killed, _ = diagnose(Step.CHECK, "makepkg --force", 128 + 9, "")
    assert (killed.reason, str(killed)) == (Reason.CHECK_FAILED, "makepkg ended with SIGKILL in check.")


@pytest.mark.parametrize(
    ("step", "code", "log", "reason", "blamed"),
    [
        (
            Step.DEPENDENCIES,
            1,
            "error: target not found: a>=2\n",
            Reason.DEPENDENCY_MISSING,
            Step.DEPENDENCIES,
        ),
        (
            Step.DEPENDENCIES,
            1,
            "warning: cannot resolve \"b\"\n:: unable to satisfy dependency 'b' required by a\n",
            Reason.DEPENDENCY_MISSING,
            Step.DEPENDENCIES,
        ),
        (
            Step.DEPENDENCIES,
            1,
            "error: failed retrieving file 'own.db' from example.org : timed out\n",
            Reason.SOURCE_UNAVAILABLE,
            Step.DEPENDENCIES,
        ),
        (
            Step.DEPENDENCIES,
            1,
            'error: own: signature from "A <a@example.org>" is unknown trust\n',
            Reason.SIGNATURE_UNTRUSTED,
            Step.DEPENDENCIES,
        ),
        (
            Step.DEPENDENCIES,
            1,
            "error: own: missing required signature\n",
            Reason.SIGNATURE_UNTRUSTED,
            Step.DEPENDENCIES,
        ),
        (
            Step.SOURCES,
            1,
            "==> ERROR: Failure while downloading https://example.org/a.tar.gz\n    Aborting...\n",
            Reason.SOURCE_UNAVAILABLE,
            Step.SOURCES,
        ),
        (
            Step.SOURCES,
            1,
            "    a.tar.gz ... FAILED\n==> ERROR: One or more files did not pass the validity check!\n",
            Reason.CHECKSUM_MISMATCH,
            Step.SOURCES,
        ),
        (
            Step.SOURCES,
            1,
            "==> ERROR: One or more PGP signatures could not be verified!\n",
            Reason.SIGNATURE_UNTRUSTED,
            Step.SOURCES,
        ),
        (
            Step.SOURCES,
            8,
            "==> Missing dependencies:\n  -> cmake\n==> ERROR: Could not resolve all dependencies.\n",
            Reason.DEPENDENCY_MISSING,
            Step.DEPENDENCIES,
        ),
        (
            Step.SOURCES,
            15,
            "==> ERROR: Cannot find the git binary required for cloning.\n",
            Reason.DEPENDENCY_MISSING,
            Step.ROOT,
        ),
        (Step.SOURCES, 4, "==> Starting pkgver()...\n", Reason.PREPARE_FAILED, Step.SOURCES),
        (Step.PREPARE, 4, "1 out of 1 hunk FAILED -- saving rejects\n", Reason.PATCH_FAILED, Step.PREPARE),
        (Step.PREPARE, 4, "error: patch failed: a.c:1\n", Reason.PATCH_FAILED, Step.PREPARE),
        (Step.BUILD, 4, "ld: No space left on device\n", Reason.DISK_FULL, Step.BUILD),
        (
            Step.BUILD,
            4,
            "fatal error: Killed signal terminated program cc1plus\n",
            Reason.OUT_OF_MEMORY,
            Step.BUILD,
        ),
        (Step.CHECK, 4, "", Reason.CHECK_FAILED, Step.CHECK),
        (Step.PACKAGE, 5, "", Reason.PACKAGE_FAILED, Step.PACKAGE),
    ],
)
def test_each_way_to_fail_has_its_reason(
    step: Step, code: int, log: str, reason: Reason, blamed: Step
) -> None:
    failure, where = diagnose(step, "makepkg --force", code, log)
    assert (failure.reason, where, failure.exit_code) == (reason, blamed, code)
    assert str(failure).endswith(".")


def test_words_that_a_recipe_prints_while_it_builds_are_not_taken_for_makepkgs_own() -> None:
    log = "==> ERROR: One or more files did not pass the validity check!\nerror: target not found: a\n"
    assert diagnose(Step.BUILD, "makepkg", 4, log)[0].reason is Reason.BUILD_FAILED


def test_codes_that_a_function_forged_are_not_believed() -> None:
    for code in (8, 12, 15):
        assert diagnose(Step.BUILD, "makepkg", code, "")[0].reason is Reason.BUILD_FAILED


def test_the_missing_dependency_is_named() -> None:
    failure, _ = diagnose(Step.DEPENDENCIES, "pacman -Syu", 1, "error: target not found: a>=2\n")
    assert str(failure) == "No repository has a>=2."
    assert failure.missing == "a>=2"


def test_the_kernels_word_on_memory_counts_more_than_what_was_printed() -> None:
    log = "a.c:1:1: error: expected identifier\n"
    failure, _ = diagnose(Step.BUILD, "makepkg", 4, log, oom_kills=1)
    assert failure.reason is Reason.OUT_OF_MEMORY
    # Sources are fetched in few bytes; somebody else's process was meant.
    assert diagnose(Step.SOURCES, "makepkg", 1, "", oom_kills=1)[0].reason is Reason.SOURCE_UNAVAILABLE
