"""Amounts of memory and disk, as people write and read them."""

import re

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_WRITTEN = re.compile(r"(\d{1,15}(?:\.\d{1,3})?)\s*(?:([KMGT])(?:i?B)?|B)?", re.IGNORECASE)


class Size(int):
    """A number of bytes; written as such or with a binary unit: `512 MiB`, `8G`, `1.5 GiB`."""

    @classmethod
    def of(cls, written: int | str) -> "Size":
        """What `written` means; ValueError if that is no amount."""
        if isinstance(written, int) and not isinstance(written, bool) and written >= 0:
            return cls(written)
        found = _WRITTEN.fullmatch(written.strip()) if isinstance(written, str) else None
        if found is None:
            raise ValueError(f"{written!r} is not an amount such as 8 GiB")
        return cls(float(found[1]) * _UNITS[(found[2] or "").upper()])

    def __str__(self) -> str:
        """In the largest unit that it fills, with a digit after the point where that tells something."""
        for unit, bytes_ in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
            if self >= bytes_:
                return f"{int(self) / bytes_:.1f}".removesuffix(".0") + f" {unit}"
        return f"{int(self)} bytes"
