"""How results look."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from quarters.cli import output
from quarters.model.build import State


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (86400 * 3 + 3600 * 4, "3 d 4 h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, words: str) -> None:
    assert output.duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")]
)
def test_a_size_is_in_the_unit_that_suits(count: int, words: str) -> None:
    assert output.size(count) == words


def test_a_moment_is_told_by_its_age() -> None:
    now = datetime.now(UTC)
    assert output.ago(None) == "never"
    assert output.ago(now) == "just now"
    assert output.ago(now - timedelta(minutes=5)).startswith("5 min")


def test_in_a_pipe_no_cell_is_cut_off_and_no_line_ends_with_blanks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.table(("NAME", ">NUMBER", "WHAT"), [("a", 1, "x" * 300), ("bb", 22, None)])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["NAME  NUMBER  WHAT", "a          1  " + "x" * 300, "bb        22  -"]


@pytest.mark.parametrize(("width", "shown"), [(80, [0, 1, 2, 3]), (30, [0, 1, 3]), (20, [0, 3]), (5, [0, 3])])
def test_a_narrow_terminal_does_without_the_last_columns_that_may_go(width: int, shown: list[int]) -> None:
    headings = ("NAME", "ARCH?", "PACKAGER?", ">SIZE")
    assert output.fitting(headings, [(10, 6, 30, 4), (8, 3, 12, 2)], width) == shown


def test_in_a_pipe_there_is_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("STATE",), [(output.state(State.FAILED),)])
    assert "\x1b" not in capsys.readouterr().out


def test_brackets_in_a_cell_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("WHAT",), [("[bold]not markup[/bold] :smile:",)])
    assert "[bold]not markup[/bold] :smile:" in capsys.readouterr().out


def test_an_empty_list_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("NAME",), [], empty="There is nothing.")
    assert capsys.readouterr().out == "There is nothing.\n"


def test_json_is_as_the_api_has_it(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    output.show({"state": State.TIMED_OUT, "at": datetime(2026, 1, 2, tzinfo=UTC)})
    assert json.loads(capfdbinary.readouterr().out) == {"state": "timed_out", "at": "2026-01-02T00:00:00Z"}


def test_nobody_is_asked_where_nobody_can_answer() -> None:
    assert output.confirmed("Delete everything?", yes=False)


def test_a_limit_of_zero_is_none() -> None:
    assert output.at_once(0) == "any number"
    assert output.at_once(3) == "3"
