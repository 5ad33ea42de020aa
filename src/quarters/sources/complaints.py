"""What makepkg and bash print about a bad PKGBUILD, in one sentence."""

import re

_SYNTAX = re.compile(r"PKGBUILD: line (\d+): (.*)")
_MAKEPKG = re.compile(r"==> ERROR: (.*)")
_NETWORK = re.compile(
    r"could(?:n't| not) resolve|name resolution|network is unreachable|failed to connect|unable to connect|"
    r"cannot assign requested address|connection refused",
    re.IGNORECASE,
)
_LONGEST = 500


def complaint(printed: str, exit_code: int) -> str:
    """One sentence: the first line that bash names, or makepkg's own first error; and what the sandbox forbids."""
    lines = [_clean(line) for line in printed.splitlines() if line.strip()]
    bash = next((found for line in lines if (found := _SYNTAX.search(line))), None)
    makepkg = next((found for line in lines if (found := _MAKEPKG.search(line))), None)
    if exit_code == 127 and any("makepkg" in line and "not found" in line for line in lines):
        return "This recipe has no current .SRCINFO, and makepkg, which would tell it, is not installed; install it."
    if exit_code in (137, 152):
        sentence = "The PKGBUILD used more time or memory than evaluating a recipe may take."
    elif bash is not None:
        sentence = f"PKGBUILD, line {bash[1]}: {_ended(bash[2])}"
    elif makepkg is not None:
        sentence = f"makepkg refuses the PKGBUILD: {_ended(makepkg[1])}"
    else:
        sentence = f"makepkg ended with exit code {exit_code}: {_ended(lines[-1] if lines else 'it printed nothing')}"
    if any(_NETWORK.search(line) for line in lines):
        sentence += " A recipe is evaluated without network."
    if any("Read-only file system" in line for line in lines):
        sentence += " A recipe may write nowhere while it is evaluated."
    return sentence


def _clean(line: str) -> str:
    return "".join(letter for letter in line.strip() if letter.isprintable())[:_LONGEST]


def _ended(text: str) -> str:
    return f"{text.rstrip('.')}."
