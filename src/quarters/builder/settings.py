"""The builder's section of the configuration."""

import os
import platform
import socket
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from quarters.model.size import Size


def _machine() -> tuple[str, ...]:
    return (platform.machine(),)


class NetworkIsolation(StrEnum):
    """Whether what recipes run with network has a network namespace of its own."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class OnStop(StrEnum):
    """What a builder that is told to stop does with its builds."""

    HAND_BACK = "hand_back"
    FINISH = "finish"


def _default_data() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/quarters/builder")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "quarters" / "builder"


class BuilderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a builder finds its server, what it builds for, and what a build may use."""

    name: str = msgspec.field(default_factory=socket.gethostname)
    """What this builder is called, which must be its token's name too; by default the name of this machine."""
    server: str = "http://127.0.0.1:8710"
    """The URL of the server that it works for."""
    token: str = ""
    """A token with the scope `builder`; better given as the file that QUARTERS_BUILDER__TOKEN_FILE names."""
    ca: str = ""
    """File of certificates (PEM) of authorities that the server's certificate may be by, beside those of the system."""
    pin: str = ""
    """SHA-256 of the server's certificate in hexadecimal: no other one is believed, and nothing else of it matters."""
    slots: int = 1
    """How many builds run at once."""
    build_class: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """It builds recipes that ask for this class or a lower one; strong machines get a high one."""
    memory: Size = Size(0)
    """Memory that builds may need together, such as `8 GiB`; 0 takes all of this machine."""
    disk: Size = Size(0)
    """Disk that builds may need together; 0 takes what is free below `data` while nothing is built."""
    arches: tuple[str, ...] = msgspec.field(default_factory=_machine)
    """Architectures that it builds for, as pacman names them; by default that of this machine."""
    executor: str = "sandbox"
    """What isolates builds: `sandbox`, `container` (see the section of that name), or what an installed plug-in adds."""
    options: tuple[str, ...] = ()
    """Settings of an executor that is a plug-in, each as `name=value`, as it describes them."""
    root: str = "host"
    """What builds in the `sandbox` start from: `host`, made of this machine's own /usr; `pacstrap` or `image`, which the
    section `root` describes; or a folder with a clean system."""
    data: Path = msgspec.field(default_factory=_default_data)
    """Work folders and caches; nothing in it outlives the builder's interest, and it holds no token."""
    cache_limit: Size = Size(20 << 30)
    """Disk that the kept sources of one package may take, and what compilers made of it; more than that is not kept."""
    package_limit: Size = Size(20 << 30)
    """Disk that the packages downloaded for builds in the `sandbox` may take together: above it those go that were unused
    for longest, and any after a month."""
    signing_key: str = ""
    """Key in gpg's keyring on this machine (its fingerprint) that signs what is built; empty: the server's alone."""
    gnupg_home: Path | None = None
    """GNUPGHOME of the gpg that has `signing_key`; by default the user's own."""
    signing_command: tuple[str, ...] = ()
    """What signs instead of gpg: reads from standard input, prints the binary detached signature."""
    log_limit: int = 64 << 20
    """Bytes of log after which a build is ended."""
    patience: float = 900.0
    """Seconds for which a build goes on while the server does not answer."""
    slot_memory: Size = Size(0)
    """Memory that one build may use; 0 gives each slot an equal share of `memory`, more where a build needs more."""
    slot_disk: Size = Size(0)
    """Disk that one build may use; 0 gives each slot an equal share of what is free, more where a build needs more."""
    slot_processes: Annotated[int, Meta(ge=0)] = 4096
    """Processes and threads that one build may have at once; 0 is no limit."""
    cpu_weight: Annotated[int, Meta(ge=1, le=10_000)] = 100
    """What a build gets of busy processors beside others: the weight of its control group; 100 changes nothing."""
    network_isolation: NetworkIsolation = NetworkIsolation.AUTO
    """Whether recipes in the `sandbox` that fetch with network are kept from this machine's own services: `on`, `off`, or
    `auto`, wherever slirp4netns is installed and the builder is root."""
    allow_local: tuple[str, ...] = ()
    """Services of this machine that recipes may use nevertheless, such as `["127.0.0.1:8080"]`."""
    on_stop: OnStop = OnStop.HAND_BACK
    """What a builder that is told to stop does with its builds: `hand_back` gives them back to the queue, `finish`
    builds them to their end, until it is told a second time."""
    first_uid: int = 64000
    """Builds run as this user, or, with several slots, as this and the following ones; they need not exist."""
    cores: int = 0
    """Processors that the builds share; 0 takes all of this machine."""
