"""Why a command failed: by its exit code, the step, the signal, and the table of words that tools fail with."""

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from quarters.builder.failure import BuildFailed
from quarters.model.build import Reason, Step

_TABLE = "failures.toml"
_STEPS = {
    "before": frozenset({Step.RECIPE, Step.DEPENDENCIES, Step.SOURCES}),
    "functions": frozenset({Step.PREPARE, Step.BUILD, Step.CHECK, Step.PACKAGE}),
    "prepare": frozenset({Step.PREPARE}),
    "check": frozenset({Step.CHECK}),
    "package": frozenset({Step.PACKAGE}),
    "any": frozenset(Step),
}
_BY_STEP: dict[Step, Reason] = {
    Step.RECIPE: Reason.RECIPE_INVALID,
    Step.HOOKS: Reason.HOOK_FAILED,
    Step.DEPENDENCIES: Reason.DEPENDENCY_MISSING,
    Step.SOURCES: Reason.SOURCE_UNAVAILABLE,
    Step.PREPARE: Reason.PREPARE_FAILED,
    Step.BUILD: Reason.BUILD_FAILED,
    Step.CHECK: Reason.CHECK_FAILED,
    Step.PACKAGE: Reason.PACKAGE_FAILED,
}
_SIGNALLED = 128
_SIGNALS = {
    4: "an illegal instruction",
    6: "an abort",
    7: "a bus error",
    8: "an arithmetic error",
    9: "SIGKILL",
    11: "a segfault",
}
_USER_FUNCTION = 4
"""makepkg(8): a function of the recipe failed; before prepare() that is pkgver()."""
_PKGBUILD_ERROR = 12
_LONGEST = 300
"""Characters of a line that are repeated in a message."""


class Clue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry of the table; the table itself says what its fields mean."""

    category: str
    words: str
    sentence: str
    example: tuple[str, ...]
    steps: str = "any"
    reason: Reason | None = None
    blame: Step | None = None
    network: bool | None = None

    def found(self, step: Step, log: str, *, network: bool) -> re.Match[str] | None:
        """Where in `log` its words are, if it can be meant at all."""
        if step not in _STEPS[self.steps] or self.network not in (None, network):
            return None
        return re.search(self.words, log, re.MULTILINE)

    def reason_in(self, step: Step) -> Reason:
        """The reason of a build that fails with these words in `step`."""
        return self.reason or _BY_STEP.get(step, Reason.INTERNAL_ERROR)


@cache
def clues() -> tuple[Clue, ...]:
    """The table, in the order in which it is looked through."""
    table: dict[str, Any] = tomllib.loads(files("quarters.builder").joinpath(_TABLE).read_text())
    return msgspec.convert(table["failure"], tuple[Clue, ...])


def diagnose(
    step: Step, command: str, exit_code: int, log: str, *, network: bool = False, oom_kills: int = 0
) -> tuple[BuildFailed, Step]:
    """What the server is told when `command` ended with `exit_code` in `step`, having printed `log`; and where it died.

    `network` says whether the command had the network, `oom_kills` how many processes the kernel ended meanwhile.
    """
    if oom_kills and step in _STEPS["functions"]:
        message = f"The kernel ended processes in {step} because the memory was used up."
        return BuildFailed(Reason.OUT_OF_MEMORY, message, command=command, exit_code=exit_code), step
    for clue in clues():
        found = clue.found(step, log, network=network)
        if found:
            reason = clue.reason_in(step)
            missing = _first(found) if reason is Reason.DEPENDENCY_MISSING else ""
            failure = BuildFailed(
                reason, _told(clue, step, found), command=command, exit_code=exit_code, missing=missing
            )
            return failure, clue.blame or step
    reason, message = _plain(step, command, exit_code)
    return BuildFailed(reason, message, command=command, exit_code=exit_code), step


def _told(clue: Clue, step: Step, found: re.Match[str]) -> str:
    """The sentence, and the line that gave it away unless the sentence names all of that."""
    sentence = clue.sentence.replace("{step}", step)
    named = _first(found)
    if "{}" in sentence:
        return f"{sentence.replace('{}', named)}."
    start = found.string.rfind("\n", 0, found.start()) + 1
    line = found.string[start:].partition("\n")[0] if "\n" not in found[0] else named
    line = (named or line).strip()
    return f"{sentence}: {line[:_LONGEST].rstrip('.')}."


def _first(found: re.Match[str]) -> str:
    return next((group.strip().rstrip(".") for group in found.groups() if group), "")


def _plain(step: Step, command: str, exit_code: int) -> tuple[Reason, str]:
    program = command.partition(" ")[0]
    signal = exit_code - _SIGNALLED
    if step is Step.SOURCES and exit_code == _USER_FUNCTION:
        return Reason.PREPARE_FAILED, "pkgver() failed."
    if step is Step.SOURCES and exit_code == _PKGBUILD_ERROR:
        return Reason.RECIPE_INVALID, "makepkg does not accept the recipe."
    if step is Step.RECIPE:
        return Reason.RECIPE_INVALID, "makepkg does not accept the recipe."
    reason = _BY_STEP.get(step, Reason.INTERNAL_ERROR)
    if signal in _SIGNALS:
        return reason, f"{program} ended with {_SIGNALS[signal]} in {step}."
    if step in (Step.PREPARE, Step.BUILD, Step.CHECK):
        return reason, f"{step}() failed."
    return reason, f"{program} failed in {step} with the exit code {exit_code}."
