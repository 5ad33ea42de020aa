"""`quarters completion`: what a shell needs to complete commands and options."""

from typing import Literal

from cyclopts import App

app = App(
    name="completion",
    help_epilogue="""\
quarters completion bash >~/.local/share/bash-completion/completions/quarters
quarters completion zsh >~/.zfunc/_quarters  (with ~/.zfunc in fpath)
quarters completion fish >~/.config/fish/completions/quarters.fish""",
)


@app.default
def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Print what a shell needs to complete commands and options."""
    from quarters.cli.main import application

    print(application().generate_completion(shell=shell))
