"""What is said about a build that is not running."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from quarters.model.build import Reason, State, Step
from quarters.planning.why import Circumstances, why_not_running
from tests.unit.planning.recipes import NOW, build


def why(unfinished: Sequence[tuple[str, State]] = (), builders: int = 1, **changes: object) -> str:
    around = Circumstances(unfinished=unfinished, builders=builders, now=NOW)
    return why_not_running(build(**changes), around)


def test_a_waiting_build_names_its_prerequisites_and_where_they_stand() -> None:
    needs = [("lib", State.RUNNING), ("art", State.READY), ("done", State.SUCCEEDED)]
    assert why(needs, state=State.WAITING) == (
        "It waits for art, which is ready to be built; and lib, which is being built."
    )


def test_a_long_list_of_prerequisites_is_cut() -> None:
    needs = [(name, State.READY) for name in "abcde"]
    assert why(needs, state=State.WAITING).endswith("; c, which is ready to be built; and 2 more.")


def test_a_blocked_build_names_what_failed() -> None:
    needs = [("lib", State.FAILED), ("art", State.READY)]
    assert (
        why(needs, state=State.BLOCKED)
        == "It needs lib, which has failed; it goes on by itself when that succeeds."
    )


def test_a_ready_build_says_that_there_is_no_builder_for_it() -> None:
    assert why(builders=0, arch="aarch64") == (
        "No builder for aarch64 is connected; start one with `quarters builder`."
    )


def test_a_ready_build_waits_for_a_slot() -> None:
    assert why(builders=2) == "It is ready and waits for a free slot on one of the 2 builders for x86_64."


def test_a_held_back_build_says_until_when_and_after_what() -> None:
    held = why(not_before=NOW + timedelta(minutes=5), reason=Reason.SOURCE_UNAVAILABLE)
    assert held == "It is tried again after source unavailable, not before 2026-03-01 12:05:00 UTC."
    assert "free slot" in why(not_before=NOW - timedelta(minutes=5))


def test_a_publish_that_is_held_up_says_by_what() -> None:
    assert why(state=State.PUBLISHING, message="There is no space left.").endswith(
        ": There is no space left."
    )


def test_a_failed_build_says_where_and_how() -> None:
    failed = why(state=State.FAILED, step=Step.BUILD, reason=Reason.BUILD_FAILED, message="make said no.")
    assert failed == (
        "It failed in step build (build failed): make said no. It waits for a new recipe, a new dependency or a retry."
    )


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_sentence(state: State) -> None:
    said = why(state=state)
    assert said[0].isupper()
    assert said.endswith(".")
