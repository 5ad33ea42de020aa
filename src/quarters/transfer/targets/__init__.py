"""Where repositories are exported to."""

import re
from collections.abc import Mapping

from quarters.model.errors import Invalid
from quarters.transfer.targets.bucket import Bucket
from quarters.transfer.targets.folder import Folder
from quarters.transfer.targets.rsync import Rsync
from quarters.transfer.targets.target import Target

_REMOTE = re.compile(r"[^/:]+:[^:]|rsync://")


def target(location: str, environ: Mapping[str, str]) -> Target:
    """What writes to a folder, to an rsync target (`rsync://…`, `host:path`) or to `s3://bucket/prefix`; Invalid."""
    if location.startswith("s3://"):
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        return Bucket(bucket, prefix.strip("/"), environ)
    if _REMOTE.match(location) and not location.startswith(("http:", "https:", "file:", "ftp:")):
        return Rsync(location)
    if "://" in location:
        raise Invalid(f"{location} is neither a folder nor an address of rsync or s3.")
    return Folder(location)
