"""The signing keys in the data folder, for the server and for who looks after them."""

from quarters.config import Config
from quarters.publishing.keys import KeyRing


def keyring(config: Config) -> KeyRing:
    """The keys that the configuration speaks of."""
    return KeyRing(config.storage.data / "keys", config.publishing)
