"""What the words and codes of pacman and makepkg mean."""

import pytest

from quarters.builder.diagnosis import diagnose
from quarters.model.build import Reason, Step


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
