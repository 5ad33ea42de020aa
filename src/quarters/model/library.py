"""Shared libraries as compiled programs ask for them: facts of the files themselves, whatever a recipe claims."""

import re

import msgspec

_VERSIONED = re.compile(r"(.+?\.so)(?:\..+)?")
_TRAILING = re.compile(r"(.*?)[-.0-9]*\.so")


class Library(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """A library by the name that programs ask for (its soname), its class (32 or 64 bits) and ELF's machine number."""

    soname: str
    bits: int = 64
    machine: int = 62

    @property
    def stem(self) -> str:
        """What stays the same from one version to the next: `libfoo.so` of `libfoo.so.1`."""
        match = _VERSIONED.fullmatch(self.soname)
        return match[1] if match else self.soname

    @property
    def family(self) -> str:
        """The stem without a version in front of the suffix: `libLLVM` of `libLLVM-17.so`, for names in sentences only."""
        match = _TRAILING.fullmatch(self.stem)
        return match[1] if match else self.stem


class Libraries(msgspec.Struct, frozen=True):
    """What a package's files provide in the folders where the loader looks, and need from other packages; sorted."""

    provided: tuple[Library, ...] = ()
    needed: tuple[Library, ...] = ()
