"""Reads the thousands of real .SRCINFO files that lie beside a checkout, where they do."""

import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"
_ARCHIVE = "chaotic-aur-metadata.tar.zst"


def read_srcinfos(folder: Path = FOLDER) -> dict[str, str]:
    """The text of every .SRCINFO by the name of its folder; FileNotFoundError where the corpus is absent."""
    return {path.parent.name: content.decode() for path, content in _files(folder) if path.name == ".SRCINFO"}


def read_configurations(folder: Path = FOLDER) -> dict[str, bytes]:
    """Every `.CI/config` by the name of the recipe's folder; FileNotFoundError where the corpus is absent."""
    return {path.parent.parent.name: content for path, content in _files(folder) if path.name == "config"}


def _files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(zstd.decompress((folder / _ARCHIVE).read_bytes()))) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                yield Path(member.name), content.read()
