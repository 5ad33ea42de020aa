"""Where everything durable lives."""

import os
from pathlib import Path

import msgspec


def _default_data() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/quarters")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "quarters"


class StorageSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where files and rows are kept."""

    data: Path = msgspec.field(default_factory=_default_data)
    """The folder for all files; by default `/var/lib/quarters` for root, `~/.local/share/quarters` for anybody else."""
    database: str = ""
    """A URL such as `postgresql://user:password@host/name`; without it, SQLite in the data folder."""

    @property
    def database_url(self) -> str:
        """The URL in force."""
        return self.database or f"sqlite:///{self.data.absolute() / 'quarters.db'}"
