"""Which server the command line talks to, and with which token."""

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from quarters.model.errors import ConfigInvalid, Invalid, ServerUnreachable

if TYPE_CHECKING:
    from quarters.protocol.client import Client
    from quarters.protocol.resources import Page

T = TypeVar("T")

FILE_NAME = "client.json"


class Connection(msgspec.Struct, frozen=True):
    """What `quarters up` writes for the commands on the same machine."""

    url: str
    token: str = ""


def connect() -> "Client":
    """A client of the server that the environment names, or that `quarters up` started."""
    found = find(os.environ)
    from quarters.protocol.client import Client
    from quarters.protocol.client.trust import Trust

    trust = Trust(os.environ.get("QUARTERS_CA", ""), os.environ.get("QUARTERS_PIN", ""))
    return Client(found.url, found.token, trust)


def find(environ: Mapping[str, str]) -> Connection:
    """QUARTERS_URL and QUARTERS_TOKEN (or QUARTERS_TOKEN_FILE) before what `quarters up` wrote last."""
    url, token = environ.get("QUARTERS_URL", "").rstrip("/"), _token(environ)
    if url and token:
        return Connection(url, token)
    written = _written(environ)
    if written is None:
        if not url:
            raise ServerUnreachable(
                "No server is known; start one with `quarters up`, or set QUARTERS_URL and QUARTERS_TOKEN."
            )
        return Connection(url, token)
    # The token in the file is shown to no other server than the one that it is for.
    return Connection(url or written.url, token or (written.token if url in ("", written.url) else ""))


def places(environ: Mapping[str, str]) -> tuple[Path, Path]:
    """Where the file can be: in the data folder, and among the user's settings."""
    from quarters.config import load

    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return load(None, environ).storage.data / FILE_NAME, home / "quarters" / FILE_NAME


def write(connection: Connection, *paths: Path) -> None:
    """Leave `connection` in files that only their owner can read."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, msgspec.json.encode(connection))


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    new.replace(path)


def read(path: Path) -> Connection | None:
    """What is in the file, or None where there is none that this user may read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Connection)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except msgspec.DecodeError as error:
        raise ConfigInvalid(f"{path} is damaged; `quarters up` writes it anew.") from error


async def everything(
    fetch: "Callable[[str | None], Awaitable[Page[T]]]", limit: int | None = None
) -> list[T]:
    """The items of all pages, or the first `limit` of them."""
    items: list[T] = []
    cursor = None
    while True:
        page = await fetch(cursor)
        items += page.items
        cursor = page.cursor
        if cursor is None or (limit is not None and len(items) >= limit):
            return items[:limit]


async def only_repository(client: "Client") -> str:
    """The name of the server's only repository; Invalid if there is another number of them."""
    names = [it.name for it in await everything(lambda cursor: client.repositories.list(cursor=cursor))]
    if len(names) != 1:
        raise Invalid(
            f"Say with --repo which repository it is for: {', '.join(names) or 'there is none yet'}."
        )
    return names[0]


def _token(environ: Mapping[str, str]) -> str:
    if token := environ.get("QUARTERS_TOKEN", ""):
        return token
    path = environ.get("QUARTERS_TOKEN_FILE", "")
    try:
        return Path(path).read_text(encoding="utf-8").strip() if path else ""
    except OSError as error:
        raise ConfigInvalid(f"QUARTERS_TOKEN_FILE: {path} cannot be read: {error.strerror}.") from error


def _written(environ: Mapping[str, str]) -> Connection | None:
    """The newest of the files: it is of the server that was started last."""
    data, home = places(environ)
    if "QUARTERS_STORAGE__DATA" in environ:
        return read(data)
    known = sorted((path for path in (data, home) if os.access(path, os.R_OK)), key=_age)
    return read(known[0]) if known else None


def _age(path: Path) -> float:
    return -path.stat().st_mtime
