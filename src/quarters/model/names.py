"""What names may look like: repositories, package bases, architectures, tokens' owners; anything else is refused early."""

import re

from quarters.model.errors import Invalid

# pacman: alphanumerics and @ . _ + -, not starting with a hyphen or dot (PKGBUILD(5)); upper case occurs in the wild.
_PACKAGE = re.compile(r"[A-Za-z0-9@_+][A-Za-z0-9@._+-]{0,254}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_ARCH = re.compile(r"[a-z0-9_]{1,32}")


def package_name(text: str) -> str:
    """Return `text` if it may name a package or pkgbase, else raise Invalid."""
    return _checked(_PACKAGE, text, "package")


def plain_name(text: str, what: str) -> str:
    """Return `text` if it may name a repository, source, builder or token (it becomes a folder and a URL part)."""
    return _checked(_PLAIN, text, what)


def arch_name(text: str) -> str:
    """Return `text` if it may name an architecture."""
    return _checked(_ARCH, text, "architecture")


def _checked(pattern: re.Pattern[str], text: str, what: str) -> str:
    if pattern.fullmatch(text) is None:
        raise Invalid(f"{text!r} is not a valid {what} name.")
    return text
