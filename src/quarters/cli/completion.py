"""`quarters completion`: what a shell needs to complete commands and options."""

from typing import Literal

from cyclopts import App

app = App(name="completion")


@app.default
def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Print the completion script of a shell.

    bash: quarters completion bash >~/.local/share/bash-completion/completions/quarters

    zsh: quarters completion zsh >~/.zfunc/_quarters, with ~/.zfunc in fpath

    fish: quarters completion fish >~/.config/fish/completions/quarters.fish
    """
    from quarters.cli.main import application

    print(application().generate_completion(shell=shell))
