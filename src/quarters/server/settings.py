"""The server's section of the configuration."""

import msgspec


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the server listens, and who may read."""

    host: str = "127.0.0.1"
    """The address to listen on; `0.0.0.0` is every one of this machine."""
    port: int = 8710
    """The port to listen on; 0 takes any free one."""
    public_url: str = ""
    """How clients reach the server, where that is not `http://host:port` (behind a reverse proxy)."""
    open_reading: bool = True
    """Whether the API can be read without a token; `/repo/…`, `/health/…` and `/openapi.json` always can."""
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    """Addresses whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    max_body: int = 4 << 20
    """Bytes that a request may carry at most, where it does not stream a file."""
    max_upload: int = 16 << 30
    """Bytes that an uploaded package may have at most."""
    shutdown_grace: float = 5.0
    """Seconds that running requests get to end when the server stops."""
    send_timeout: int = 120
    """Seconds after which a client that takes nothing of what it is sent is hung up on."""
    accel: str = ""
    """Address of the data folder inside of a front (nginx), which then sends files by X-Accel-Redirect; empty: none does."""
