"""Rows of pins: names for snapshots."""

import msgspec
from sqlalchemy import Connection, delete, insert, select

from quarters.model.errors import Conflict, NotFound
from quarters.model.repository import Pin
from quarters.storage.schema import pins


def add(connection: Connection, pin: Pin) -> None:
    """Pin a snapshot that exists; Conflict if the name stands for another one."""
    query = select(pins.c.number).where(pins.c.repository == pin.repository, pins.c.name == pin.name)
    number = connection.execute(query).scalar()
    if number == pin.number:
        return
    if number is not None:
        raise Conflict(f"{pin.name} stands for the snapshot {number} of {pin.repository}; unpin that first.")
    connection.execute(insert(pins).values(**msgspec.structs.asdict(pin)))


def remove(connection: Connection, repository: str, name: str) -> None:
    """Forget a pin, or NotFound."""
    query = delete(pins).where(pins.c.repository == repository, pins.c.name == name)
    if connection.execute(query).rowcount == 0:
        raise NotFound(f"{repository} has no pin {name!r}.")


def listed(connection: Connection, repository: str) -> list[Pin]:
    """A repository's pins by name."""
    rows = connection.execute(select(pins).where(pins.c.repository == repository).order_by(pins.c.name))
    return [Pin(**row._mapping) for row in rows]
