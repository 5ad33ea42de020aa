"""Reads the thousands of real .SRCINFO files that lie beside a checkout, where they do."""

import io
import sys
import tarfile
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"
_ARCHIVE = "chaotic-aur-metadata.tar.zst"


def read_srcinfos(folder: Path = FOLDER) -> dict[str, str]:
    """The text of every .SRCINFO by the name of its folder; FileNotFoundError where the corpus is absent."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(zstd.decompress((folder / _ARCHIVE).read_bytes()))) as archive:
        for member in archive:
            path = Path(member.name)
            if path.name == ".SRCINFO":
                content = archive.extractfile(member)
                assert content is not None
                found[path.parent.name] = content.read().decode()
    return found
