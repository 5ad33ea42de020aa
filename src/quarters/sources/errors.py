"""What can go wrong between us and a source."""

from quarters.model.errors import Unavailable


class SourceUnreachable(Unavailable):
    """The source cannot be read."""
