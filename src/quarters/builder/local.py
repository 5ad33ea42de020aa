"""Places of this machine, by the addresses that are its own."""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Collection
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from quarters.builder.failure import BuilderUnusable
from quarters.builder.workspace import PATH

_DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21}
_ADDRESS = re.compile(r"^\d+: \S+ +inet (\d+\.\d+\.\d+\.\d+)", re.MULTILINE)


class Place(NamedTuple):
    """An address of this machine and a port of TCP."""

    address: str
    port: int


def named(texts: Collection[str]) -> tuple[Place, ...]:
    """The places that are written as `127.0.0.1:8080` or `[::1]:8080`; BuilderUnusable names what is none."""
    places = []
    for text in texts:
        place = None
        with suppress(ValueError):
            parts = urlsplit(f"//{text}")
            place = Place(str(ipaddress.ip_address(parts.hostname or "")), parts.port or 0)
        if place is None or not place.port:
            raise BuilderUnusable(
                f"{text} in builder.allow_local is not an address with a port (127.0.0.1:8080)."
            )
        places.append(place)
    return tuple(places)


def reached(urls: Collection[str]) -> frozenset[Place]:
    """The places that `urls` name, as far as they are on this machine (by IPv4, to which all turn in the end)."""
    found = set()
    for url in urls:
        with suppress(ValueError, OSError):
            parts = urlsplit(url if "//" in url else f"//{url}")
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 80)
            for *_, address in socket.getaddrinfo(parts.hostname, port, socket.AF_INET, socket.SOCK_STREAM):
                place = Place(str(address[0]), port)
                if _is_own(place.address):
                    found.add(place)
    return frozenset(found)


async def own_addresses() -> tuple[str, ...]:
    """The addresses (IPv4) that this machine has beside loopback ones."""
    process = await asyncio.create_subprocess_exec(
        "ip", "-4", "-oneline", "address", "show",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": PATH},
    )  # fmt: skip
    said, _ = await process.communicate()
    found = dict.fromkeys(_ADDRESS.findall(said.decode()))
    return tuple(address for address in found if not ipaddress.ip_address(address).is_loopback)


def _is_own(address: str) -> bool:
    """Whether a socket of this machine can have the address."""
    with suppress(OSError), socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as trial:
        trial.bind((address, 0))
        return True
    return False
