"""A recipe's files as an archive that depends on nothing but them."""

import io
import tarfile

# Zip files, and so Python wheels, know no time before 1980: not 0.
_TIME = 946_684_800


def deterministic(data: bytes) -> bytes:
    """The same tar archive with every member's time and owner made the same; links stay as they are."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data)) as given,
        tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8") as made,
    ):
        for member in sorted(given.getmembers(), key=lambda member: member.name):
            member.mtime = _TIME
            member.uid = member.gid = 0
            member.uname = member.gname = "root"
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            made.addfile(member, given.extractfile(member) if member.isreg() else None)
    return out.getvalue()
