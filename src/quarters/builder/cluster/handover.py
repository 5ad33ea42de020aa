"""What a job is told: a build that its builder has claimed, and whom it works for."""

import os
from pathlib import Path

import msgspec

from quarters.builder.settings import BuilderSettings
from quarters.model.errors import ConfigInvalid
from quarters.protocol.builds import Assignment


class Handover(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`token` is the builder's own; where it is "", the node's configuration has one."""

    assignment: Assignment
    server: str
    name: str
    token: str = ""
    ca: str = ""
    pin: str = ""

    @classmethod
    def of(cls, assignment: Assignment, settings: BuilderSettings, *, with_token: bool) -> "Handover":
        """What a builder with these settings hands over."""
        token = settings.token if with_token else ""
        return cls(
            assignment=assignment,
            server=settings.server,
            name=settings.name,
            token=token,
            ca=settings.ca,
            pin=settings.pin,
        )

    def accepted(self, settings: BuilderSettings) -> BuilderSettings:
        """A node's own `settings`, for whom it works now."""
        return msgspec.structs.replace(
            settings,
            server=self.server,
            name=self.name,
            token=self.token or settings.token,
            ca=self.ca or settings.ca,
            pin=self.pin or settings.pin,
            slots=1,
        )


def write(path: Path, handover: Handover) -> None:
    """Write it for this user alone: it holds a lease and may hold a token."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(handover))
        file.flush()
        os.fsync(file.fileno())


def take(path: Path) -> Handover:
    """Read it and remove the file; ConfigInvalid if it is none."""
    try:
        handover = msgspec.json.decode(path.read_bytes(), type=Handover)
        path.unlink()
    except OSError as error:
        raise ConfigInvalid(f"--once: {path} cannot be taken: {error.strerror}.") from error
    except msgspec.DecodeError as error:
        raise ConfigInvalid(
            f"--once: {path} is nothing that a builder of this version hands over: {error}"
        ) from error
    return handover
