"""Lets a build's commands that may use the network take the way that its builder takes."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from quarters.builder.command import Command

_VARIABLES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
"""As curl(1), "ENVIRONMENT", has them, which pacman, makepkg and git use; it knows http_proxy in lower case only."""


def through_proxies(command: Command, environ: Mapping[str, str]) -> Command:
    """`command` with the proxies of `environ`; one that asks for a password is for pacman alone, no recipe may see it."""
    if not command.network:
        return command
    found = {name: environ.get(name) or environ.get(name.upper(), "") for name in _VARIABLES}
    told = {
        name: value for name, value in found.items() if value and (command.downloading or not _secret(value))
    }
    upper = {name.upper(): value for name, value in told.items() if name != "http_proxy"}
    return msgspec.structs.replace(command, environment={**command.environment, **told, **upper})


def _secret(proxy: str) -> bool:
    return "@" in urlsplit(proxy if "//" in proxy else f"//{proxy}").netloc
