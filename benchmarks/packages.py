"""Made-up packages of the size and shape that a distribution's have: some 84 files each, names that resemble each other."""

import hashlib
import io
import random
import sys
import tarfile
from pathlib import Path

from quarters.formats.pacman import Pacman
from quarters.formats.pacman.entry import Sums, desc, files
from quarters.model.repository import PackageFile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ARCH = "x86_64"
_SYLLABLES = tuple("al bo cra den ex fi go hy lib ja ku lo mi net py qt ro sys ter vim".split())  # noqa: SIM905
_FOLDERS = ("usr/bin", "usr/lib", "usr/share/doc", "usr/share/locale/de", "usr/share/man/man1", "usr/include")
_FILES = 84


class Library:
    """Packages by number; the same number is always the same package."""

    def __init__(self) -> None:
        chance = random.Random(1)
        self._words = ["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4))) for _ in range(4000)]

    def listed(self, number: int) -> PackageFile:
        """A package as its row and its index entry have it; there is no such file."""
        name, version, fields, paths = self._made(number)
        file_name = f"{name}-{version}-{ARCH}.pkg.tar.zst"
        digest = hashlib.sha256(name.encode()).hexdigest()
        size = 1000 + 1009 * number
        return PackageFile(
            file_name=file_name,
            size=size,
            sha256=digest,
            name=name,
            base=name,
            version=version,
            arch=ARCH,
            index={"desc": desc(file_name, fields, Sums(size, digest[:32], digest)), "files": files(paths)},
        )

    def written(self, number: int, folder: Path) -> Path:
        """A package file that pacman's tools take, its files empty."""
        name, version, fields, paths = self._made(number)
        path = folder / f"{name}-{version}-{ARCH}.pkg.tar.zst"
        if path.exists():
            return path
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            info = "".join(
                f"{key} = {value}\n" for key, values in fields.items() for value in values
            ).encode()
            member = tarfile.TarInfo(".PKGINFO")
            member.size = len(info)
            archive.addfile(member, io.BytesIO(info))
            for path_within in paths:
                archive.addfile(tarfile.TarInfo(path_within))
        path.write_bytes(zstd.compress(target.getvalue()))
        Pacman().read_package(path, path.name)
        return path

    def _made(self, number: int) -> tuple[str, str, dict[str, list[str]], list[str]]:
        chance = random.Random(number)
        words = self._words
        name = f"{chance.choice(words)}-{chance.choice(words)}{number}"
        version = (
            f"{chance.randint(0, 9)}.{chance.randint(0, 30)}.{chance.randint(0, 9)}-{chance.randint(1, 4)}"
        )
        fields = {
            "pkgname": [name],
            "pkgbase": [name],
            "pkgver": [version],
            "pkgdesc": [" ".join(chance.choices(words, k=8))],
            "url": [f"https://{chance.choice(words)}.example/{name}"],
            "builddate": [str(1_700_000_000 + number)],
            "packager": [f"{chance.choice(words[:40])} <packager@example.org>"],
            "size": [str(chance.randint(1000, 99_999_999))],
            "arch": [ARCH],
            "license": ["GPL-3.0-or-later"],
            "depend": chance.sample(words, chance.randint(1, 9)),
        }
        paths = {f"{chance.choice(_FOLDERS)}/{name}/{chance.choice(words)}" for _ in range(_FILES)}
        return name, version, fields, sorted(paths)
