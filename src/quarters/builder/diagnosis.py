"""Why a command failed: exit codes and the words of pacman, makepkg and the tools that they run, as a table."""

import re

import msgspec

from quarters.builder.failure import BuildFailed
from quarters.model.build import Reason, Step

_BEFORE_FUNCTIONS = frozenset({Step.RECIPE, Step.DEPENDENCIES, Step.SOURCES})
"""Steps in which nothing of the recipe's own functions has run, so that its words and codes are the tools' own."""


class Clue(msgspec.Struct, frozen=True):
    """A reason with the words in the log that give it away, and the step to blame where it is not the running one."""

    reason: Reason
    words: re.Pattern[str]
    message: str
    steps: frozenset[Step] = frozenset(Step)
    blame: Step | None = None


def _clue(
    reason: Reason,
    words: str,
    message: str,
    steps: frozenset[Step] = frozenset(Step),
    blame: Step | None = None,
) -> Clue:
    return Clue(reason, re.compile(words, re.MULTILINE), message, steps, blame)


_PREPARE = frozenset({Step.PREPARE})

CLUES: tuple[Clue, ...] = (
    _clue(Reason.DISK_FULL, r"No space left on device", "The disk is full."),
    _clue(
        Reason.OUT_OF_MEMORY, r"virtual memory exhausted|Cannot allocate memory", "The memory was used up."
    ),
    _clue(Reason.OUT_OF_MEMORY, r"fatal error: Killed signal terminated program", "The memory was used up."),
    # pacman(8), while dependencies are installed.
    _clue(
        Reason.DEPENDENCY_MISSING,
        r"^error: target not found: (.+)$",
        "No repository has {}.",
        _BEFORE_FUNCTIONS,
    ),
    _clue(
        Reason.DEPENDENCY_MISSING,
        r"unable to satisfy dependency '(.+)' required by",
        "No repository has {}.",
        _BEFORE_FUNCTIONS,
    ),
    _clue(
        Reason.SIGNATURE_UNTRUSTED,
        r"^error: (.+): (?:signature from .* is|key .* (?:is|could not be)|missing required signature)",
        "The signature of {} is not by a trusted key.",
        _BEFORE_FUNCTIONS,
    ),
    _clue(
        Reason.SIGNATURE_UNTRUSTED,
        r"invalid or corrupted (?:database|package) \(PGP signature\)",
        "A package or database is not signed by a trusted key.",
        _BEFORE_FUNCTIONS,
    ),
    _clue(
        Reason.SOURCE_UNAVAILABLE,
        r"^error: failed retrieving file '(.+)' from",
        "{} could not be downloaded from its repository.",
        _BEFORE_FUNCTIONS,
    ),
    _clue(
        Reason.SOURCE_UNAVAILABLE,
        r"^error: failed to (?:synchronize|retrieve|update)",
        "A repository could not be downloaded from.",
        _BEFORE_FUNCTIONS,
    ),
    # makepkg(8), before it calls the recipe's functions.
    _clue(
        Reason.CHECKSUM_MISMATCH,
        r"One or more files did not pass the validity check",
        "A source does not match its checksum.",
        _BEFORE_FUNCTIONS,
    ),
    _clue(
        Reason.SIGNATURE_UNTRUSTED,
        r"One or more PGP signatures could not be verified",
        "A source's signature could not be verified.",
        _BEFORE_FUNCTIONS,
    ),
    _clue(
        Reason.SOURCE_UNAVAILABLE,
        r"Failure while (?:downloading|creating working copy of|updating working copy of) (.+)$",
        "The source {} could not be fetched.",
        _BEFORE_FUNCTIONS,
    ),
    _clue(
        Reason.RECIPE_INVALID,
        r"ERROR: (.+) was not found in the build directory and is not a URL",
        "The recipe names a source that it does not bring: {}.",
        _BEFORE_FUNCTIONS,
    ),
    _clue(
        Reason.DEPENDENCY_MISSING,
        r"^==> Missing dependencies:\n  -> (.+)$",
        "{} is needed and not installed.",
        _BEFORE_FUNCTIONS,
        Step.DEPENDENCIES,
    ),
    _clue(
        Reason.DEPENDENCY_MISSING,
        r"ERROR: Cannot find the (\S+) binary required",
        "The root has no {}.",
        _BEFORE_FUNCTIONS,
        Step.ROOT,
    ),
    _clue(
        Reason.PATCH_FAILED,
        r"hunks? FAILED|^error: patch failed|does not apply$",
        "A patch failed.",
        _PREPARE,
    ),
    _clue(Reason.PATCH_FAILED, r"^patch: \*\*\*\* ", "A patch failed.", _PREPARE),
)

_BY_STEP: dict[Step, Reason] = {
    Step.RECIPE: Reason.RECIPE_INVALID,
    Step.DEPENDENCIES: Reason.DEPENDENCY_MISSING,
    Step.SOURCES: Reason.SOURCE_UNAVAILABLE,
    Step.PREPARE: Reason.PREPARE_FAILED,
    Step.BUILD: Reason.BUILD_FAILED,
    Step.CHECK: Reason.CHECK_FAILED,
    Step.PACKAGE: Reason.PACKAGE_FAILED,
}
_SIGKILL = 128 + 9
_USER_FUNCTION = 4
"""makepkg(8): a function of the recipe failed; before prepare() that is pkgver()."""
_PKGBUILD_ERROR = 12


def diagnose(step: Step, command: str, exit_code: int, log: str) -> tuple[BuildFailed, Step]:
    """What the server is told when `command` ended with `exit_code` in `step`, having printed `log`; and where it died."""
    for clue in CLUES:
        found = clue.words.search(log) if step in clue.steps else None
        if found:
            message = clue.message.format(_first(found))
            return BuildFailed(clue.reason, message, command=command, exit_code=exit_code), clue.blame or step
    reason, message = _plain(step, command, exit_code)
    return BuildFailed(reason, message, command=command, exit_code=exit_code), step


def _first(found: re.Match[str]) -> str:
    return next((group.strip().rstrip(".") for group in found.groups() if group), "")


def _plain(step: Step, command: str, exit_code: int) -> tuple[Reason, str]:
    program = command.partition(" ")[0]
    if exit_code == _SIGKILL:
        return Reason.OUT_OF_MEMORY, f"{program} was killed in {step}, most likely for want of memory."
    if step is Step.SOURCES and exit_code == _USER_FUNCTION:
        return Reason.PREPARE_FAILED, "pkgver() failed."
    if step is Step.SOURCES and exit_code == _PKGBUILD_ERROR:
        return Reason.RECIPE_INVALID, "makepkg does not accept the recipe."
    if step is Step.RECIPE:
        return Reason.RECIPE_INVALID, "makepkg does not accept the recipe."
    if step in (Step.PREPARE, Step.BUILD, Step.CHECK):
        return _BY_STEP[step], f"{step}() failed."
    return _BY_STEP.get(
        step, Reason.INTERNAL_ERROR
    ), f"{program} failed in {step} with the exit code {exit_code}."
