"""What a kind remembers about its last fetch, so that the next one asks only for what is new."""

from pathlib import Path

import msgspec

from quarters.model.source import Source


class _Page(msgspec.Struct):
    of: list[object]
    notes: dict[str, str]


class Notes:
    """A small file beside the mirror; losing it, or pointing the source elsewhere, costs one whole fetch."""

    def __init__(self, folder: Path, source: Source) -> None:
        self._path = folder / "quarters.json"
        self._of: list[object] = [
            source.kind,
            source.location,
            source.branch,
            source.path,
            source.prereleases,
        ]

    def read(self) -> dict[str, str]:
        """What was kept at the last fetch from the very same place."""
        try:
            page = msgspec.json.decode(self._path.read_bytes(), type=_Page)
        except (OSError, msgspec.DecodeError):
            return {}
        return page.notes if page.of == self._of else {}

    def keep(self, notes: dict[str, str]) -> None:
        """Remember these; only once what they tell about is in the mirror."""
        made = self._path.with_suffix(".new")
        made.write_bytes(msgspec.json.encode(_Page(self._of, notes)))
        made.replace(self._path)
