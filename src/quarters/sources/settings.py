"""The sources' section of the configuration."""

import msgspec


class SourcesSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How sources are followed, and what reading a recipe may cost."""

    aur: str = "https://aur.archlinux.org"
    """The AUR that `quarters aur` searches and adds packages from."""
    gitlab: str = "https://gitlab.com"
    """The GitLab whose projects recipes of a tree name by number (`gitlab:ID`)."""
    poll_interval: float = 300.0
    """Seconds between two looks at a source that nobody asks to sync."""
    longest_retry: float = 3600.0
    """Seconds to which the wait grows while a source keeps failing."""
    fetch_timeout: float = 600.0
    """Seconds that one git command may take."""
    evaluations: int = 2
    """How many recipes are evaluated side by side."""
    update_timeout: float = 1800.0
    """Seconds that an update hook, nvchecker, or the download of a new version's sources may take."""
    evaluation_timeout: float = 60.0
    """Seconds that evaluating one recipe may take: one of .NET's takes ten, and several times as many on a busy machine."""
