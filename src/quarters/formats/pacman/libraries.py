"""The libraries that a package provides and needs, from its ELF files; pacman's way of writing a soname."""

import re
from collections.abc import Iterator

from quarters.formats import elf
from quarters.model.library import Libraries, Library
from quarters.model.recipe import Provision

# Where the loader looks by itself (ld.so(8)); makepkg's LIB_DIRS are usr/lib and usr/lib32.
_PUBLIC = frozenset(
    f"{prefix}{folder}" for prefix in ("", "usr/") for folder in ("lib", "lib32", "lib64", "libx32")
)
# What is split off for debuggers keeps the headers of what it was split from, without the content.
_DEBUG = "usr/lib/debug/"
_MOST_NAMES = 100_000
_MOST_FILES = 20_000
"""Names that are kept of one package, and its ELF files that are read: more of either has no package that anybody
links to, and the reading would take minutes."""

_SUFFIX = re.compile(r"\.so(?:\.[0-9.]+)?$")


class Collector:
    """Looks at the files of one package, one after the other."""

    def __init__(self) -> None:
        self._public: set[Library] = set()
        self._own: set[Library] = set()
        self._needed: set[Library] = set()
        self._files = 0

    def file(self, path: str, size: int, pieces: Iterator[bytes]) -> None:
        """Look at a file; no more of `pieces` is taken than it needs."""
        if size < len(elf.MAGIC) or path.startswith(_DEBUG):
            return
        if len(self._needed) > _MOST_NAMES or self._files >= _MOST_FILES:
            return
        found = elf.read(pieces)
        if found is None:
            return
        self._files += 1
        self._needed.update(Library(name, found.bits, found.machine) for name in found.needed)
        folder, _, name = path.rpartition("/")
        if found.library and ".so" in name:
            # A library without a soname is linked to by the name of its file.
            library = Library(found.soname or name, found.bits, found.machine)
            self._own.add(library)
            if folder in _PUBLIC:
                self._public.add(library)

    def libraries(self) -> Libraries:
        """All of it: what the package finds in itself, it does not need from others."""
        return Libraries(tuple(sorted(self._public)), tuple(sorted(self._needed - self._own)))


def provision(library: Library) -> Provision:
    """`libfoo.so=1-64` for `libfoo.so.1`, as makepkg completes `provides` and `depends` (find_libdepends)."""
    name = library.soname
    version = name.rpartition(".so.")[2] if ".so." in name else name
    return Provision(f"{_SUFFIX.sub('', name)}.so", f"{version}-{library.bits}")
