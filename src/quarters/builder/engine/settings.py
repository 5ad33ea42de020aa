"""The section `container` of the configuration."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta


class ContainerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The engine of a builder whose executor is `container`, and what its builds start from."""

    engine: str = "unix:///run/docker.sock"
    """Where Docker or Podman listens: `unix:///path`, or `http://host:port` on a network that can be trusted."""
    image: str = "docker.io/library/archlinux:base-devel"
    """The image, by its name in a registry, that the builder image is made of."""
    containerfile: Path | None = None
    """A Containerfile to build that image from instead; its folder is what it may copy from."""
    root: Path | None = None
    """A folder or tar archive with a whole root to import as that image instead."""
    packages: tuple[str, ...] = ("base-devel",)
    """Packages that are installed into the builder image."""
    upgrade: bool = True
    """Whether all packages of the builder image are upgraded when it is made."""
    refresh: Annotated[int, Meta(ge=0)] = 86_400
    """Seconds after which a new builder image is made; 0 keeps the first one until these settings change."""
    network: str = "bridge"
    """The engine's network for what may use the network; the rest has none. From `host`, services of this machine
    can be reached too, which `bridge` prevents."""
