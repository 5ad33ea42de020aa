"""Where repositories are imported from."""

from quarters.model.errors import Invalid
from quarters.transfer.origins.folder import Folder
from quarters.transfer.origins.origin import Origin
from quarters.transfer.origins.web import Web


def origin(location: str) -> Origin:
    """What reads `location`, a folder of this machine or an http(s) address; Invalid if it is neither."""
    scheme, separator, _ = location.partition("://")
    if not separator:
        return Folder()
    if scheme.lower() in ("http", "https"):
        return Web()
    raise Invalid(f"{location} is neither a folder nor an address of http or https.")
