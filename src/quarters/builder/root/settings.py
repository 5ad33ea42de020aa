"""The section `root` of the configuration."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta


class RootSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a builder whose `root` is `pacstrap` or `image` makes the clean system of, and how often."""

    mirrors: tuple[str, ...] = ("https://geo.mirror.pkgbuild.com/$repo/os/$arch",)
    """Servers that `pacstrap` installs from, as pacman.conf(5) takes them, the first one that answers."""
    repositories: tuple[str, ...] = ("core", "extra")
    """Repositories of these mirrors, by falling precedence; add `multilib` where builds need 32-bit libraries."""
    keyring: Path | None = None
    """What packages are verified with: a folder as pacman-key makes it, or a file of ASCII-armoured public keys; by
    default this machine's /etc/pacman.d/gnupg. Builds in the root trust the same keys."""
    sig_level: str = "Required DatabaseOptional"
    """Which signatures `pacstrap` asks for, as pacman.conf(5) has it."""
    packages: tuple[str, ...] = ("base-devel",)
    """Packages that `pacstrap` installs, with all that they need."""
    image: str = "docker.io/library/archlinux:base-devel"
    """What `image` unpacks: a tar archive of a root, of `docker save` or in the OCI's layout, or a name in a registry,
    which the engine of the section `container` fetches."""
    refresh: Annotated[int, Meta(ge=0)] = 86_400
    """Seconds after which a new root is made; builds that have the old one keep it. 0 keeps it until settings change."""
