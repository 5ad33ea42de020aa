"""Completion scripts, generated from the command definitions."""

import subprocess

import pytest

from quarters.cli.main import run


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> str:
    """What bash reads."""
    assert run(["completion", "bash"]) == 0
    return capsys.readouterr().out


def completed(script: str, *words: str) -> list[str]:
    """What bash offers for the last of `words`."""
    line = " ".join(f'"{word}"' for word in words)
    program = f"""{script}
COMP_WORDS=({line}) COMP_CWORD={len(words) - 1}
_quarters
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    return sorted(set(done.stdout.split()))


def test_the_bash_script_is_right_bash(script: str) -> None:
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("quarters", "bui"), ["build", "builder", "builders", "builds"]),
        (("quarters", "builds", "re"), ["retry"]),
        (("quarters", "builds", "list", "--rea"), ["--reason"]),
        (("quarters", "builds", "list", "--state", "fai"), ["failed"]),
    ],
)
def test_bash_completes_commands_options_and_choices(
    script: str, words: tuple[str, ...], offered: list[str]
) -> None:
    assert completed(script, *words) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_with_every_noun(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(noun in script for noun in ("builds", "repo", "source", "token"))
