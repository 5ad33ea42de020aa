"""The one error tree: a class's docstring is its message, its branch says how HTTP and the command line answer."""

from typing import ClassVar


class QuartersError(Exception):
    """Quarters could not do what was asked."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__ or "")

    def __init_subclass__(cls) -> None:
        """Derive the stable, hyphenated code that machines read from the class name (`LeaseLost` -> `lease-lost`)."""
        name = cls.__name__
        cls.code = "".join(f"-{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


class Invalid(QuartersError):
    """The request is not valid."""


class NotFound(QuartersError):
    """There is no such thing."""


class Conflict(QuartersError):
    """This contradicts what is already there."""


class Unauthenticated(QuartersError):
    """A valid token is needed; create one with `quarters token create`."""


class Forbidden(QuartersError):
    """This token's scope does not allow this."""


class Unavailable(QuartersError):
    """The service cannot do this right now; try again."""


class StorageFull(Unavailable):
    """There is no space left where Quarters keeps its data."""


class UploadDamaged(Invalid):
    """The file is not what was announced; send it again."""


class RecipeInvalid(Invalid):
    """The recipe cannot be read."""


class PackageInvalid(Invalid):
    """The package file is not acceptable."""


class PublishRejected(Invalid):
    """The package does not match what was to be built."""


class SignatureRefused(PublishRejected):
    """The signature is not acceptable."""


class LeaseLost(Conflict):
    """This lease no longer stands; its build went to somebody else or has ended."""


class StateChangeRefused(Conflict):
    """The build's state does not allow this."""


class BackupDamaged(Invalid):
    """The backup is not what was written."""


class ConfigInvalid(Invalid):
    """The configuration is not valid."""


class ServerUnreachable(QuartersError):
    """The server does not answer; start one with `quarters up`, or set QUARTERS_URL."""


class DataFolderBusy(QuartersError):
    """Another server already uses this data folder."""


class DatabaseBusy(QuartersError):
    """Another server already uses this database."""


class DataFolderUnusable(QuartersError):
    """The data folder cannot be written."""


class DatabaseLost(QuartersError):
    """The database is empty, but there are packages that were published."""


class PortInUse(QuartersError):
    """Another program already listens on this address."""


class OriginUnusable(QuartersError):
    """The repository that is to be imported cannot be read."""


class TargetUnusable(QuartersError):
    """The place that is to be exported to cannot be used."""
