"""Exit codes and sentences: what the one translator makes of errors."""

import subprocess
import sys
from pathlib import Path

import pytest

from quarters import __version__
from quarters.cli.main import run


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code, and what is on standard error."""
    code = run(arguments)
    return code, capsys.readouterr().err


@pytest.fixture(autouse=True)
def _no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUARTERS_STORAGE__DATA", str(tmp_path / "data"))
    for name in ("QUARTERS_URL", "QUARTERS_TOKEN", "QUARTERS_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nosuch",), 'quarters: Unknown command "nosuch".'),
        (("builds", "lst"), 'Did you mean "list"?'),
        (("builds", "show"), "requires an argument. See `quarters builds show --help`."),
        (("builds", "show", "x"), 'unable to convert "x" into int.'),
        (("builds", "list", "--lmit", "3"), "Did you mean --limit?"),
        (("builds", "list", "--state", "gone"), '"gone"'),
    ],
)
def test_wrong_use_is_one_sentence_and_code_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    code, words = said(capsys, *arguments)
    assert code == 2
    assert sentence in words
    assert words.count("\n") == 1


def test_a_failure_is_one_sentence_and_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    code, words = said(capsys, "builds", "list")
    assert (code, words.count("\n")) == (1, 1)
    assert words.startswith("quarters: No server is known; start one with `quarters up`")


def test_a_server_that_does_not_answer_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUARTERS_URL", "http://127.0.0.1:9")
    code, words = said(capsys, "builds", "list")
    assert (code, words.count("\n")) == (1, 1)
    assert "The server at http://127.0.0.1:9 does not answer (Connection refused)" in words


def test_an_address_that_is_none_is_told_apart_from_a_server_that_does_not_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUARTERS_URL", "nonsense")
    code, words = said(capsys, "builds", "list")
    assert (code, words.count("\n")) == (1, 1)
    assert "that is no address such as https://packages.example.org" in words


@pytest.mark.parametrize("arguments", [(), ("--help",), ("builds", "--help"), ("up", "--help")])
def test_help_is_no_failure(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    assert run(arguments) == 0
    assert "Usage: quarters" in capsys.readouterr().out


def test_every_command_has_help_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--help"])
    names = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("│ ")]
    nouns = [name for name in names if not name.startswith("-") and name.islower()]
    assert {"up", "server", "builder", "repo", "source", "plan", "build", "builds", "log"} <= set(nouns)


@pytest.mark.parametrize("command", ["plan", "build", "log"])
def test_the_help_of_a_command_says_what_its_exit_code_means(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    run([command, "--help"])
    assert "exit code is 1 if" in " ".join(capsys.readouterr().out.split())


def test_defaults_are_shown_as_a_person_types_them(capsys: pytest.CaptureFixture[str]) -> None:
    run(["repo", "create", "--help"])
    words = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "[default: x86_64]" in words
    assert "Run check() of the recipes. [default: yes]" in words
    assert "[default: ]" not in words
    assert "None" not in words


def test_a_reader_that_has_seen_enough_is_no_failure_worth_words() -> None:
    command = f"{sys.executable} -m quarters.cli config show --json"
    done = subprocess.run(["bash", "-c", f"{command} | true"], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_the_version_is_shown_without_what_a_server_needs() -> None:
    program = (
        "import sys; from quarters.cli.main import run; run(['--version']);"
        "print([m for m in ('litestar', 'sqlalchemy', 'aiohttp', 'uvicorn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [__version__, "[]"]


def test_a_client_command_loads_nothing_of_the_server(tmp_path: Path) -> None:
    program = (
        "import sys; from quarters.cli.main import run; run(['builds', 'list']);"
        "print([m for m in ('litestar', 'sqlalchemy', 'uvicorn') if m in sys.modules])"
    )
    environ = {"QUARTERS_URL": "http://127.0.0.1:9", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environ
    )
    assert done.stdout == "[]\n"
