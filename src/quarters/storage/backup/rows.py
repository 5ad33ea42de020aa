"""All rows of a database as lines of JSON, the same for every engine, as they were at one moment."""

import base64
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    insert,
    select,
)

from quarters.model.build import State
from quarters.model.errors import BackupDamaged, Conflict
from quarters.storage import schema
from quarters.storage.schema import columns

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_AT_ONCE = 1000
_LEVEL = 6
_PASSING = {"holds"}
"""Tables of what is over once the process has ended."""


class Delivered(NamedTuple):
    """A file that a builder delivered and that is not published yet."""

    build: int
    attempt: int
    file_name: str
    sha256: str


class Dumped(NamedTuple):
    """What was written: by table how many rows; and which files belong to them."""

    tables: dict[str, int]
    packages: dict[str, str]
    """File names by sha256."""
    listed: set[str]
    """The sha256 of each package that a snapshot lists: its file has to be there."""
    delivered: list[Delivered]


def dump(connection: Connection, target: Path) -> Dumped:
    """Write all rows to `target`; must come first in its transaction."""
    if connection.dialect.name == "postgresql":
        # By default every statement sees what was committed meanwhile.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    tables = {}
    with zstd.open(target, "wb", level=_LEVEL) as file:
        for table in _tables():
            name = str(table.name)
            file.write(msgspec.json.encode({name: [str(it.name) for it in table.columns]}) + b"\n")
            tables[name] = 0
            rows = connection.execute(
                select(table).order_by(*table.primary_key).execution_options(yield_per=_AT_ONCE)
            )
            for row in rows:
                file.write(msgspec.json.encode(tuple(row)) + b"\n")
                tables[name] += 1
    return Dumped(tables, *_files(connection))


def load(connection: Connection, source: Path) -> dict[str, int]:
    """Fill an empty database; returns by table how many rows. Conflict if there are any, BackupDamaged."""
    tables = {table.name: table for table in _tables()}
    for table in tables.values():
        if connection.execute(select(table).limit(1)).first() is not None:
            raise Conflict(f"The database is not empty: it has {table.name}. Name an empty one.")
    counts: dict[str, int] = {}
    try:
        with zstd.open(source, "rb") as file:
            for name, columns, rows in _sections(file):
                counts[name] = _insert(connection, tables[name], columns, rows)
    except (zstd.ZstdError, EOFError, msgspec.DecodeError, KeyError, ValueError) as error:
        raise BackupDamaged(f"The rows in {source} cannot be read: {error}.") from error
    for table in tables.values():
        _number_on(connection, table)
    return counts


def _tables() -> list[Table]:
    """Every table as the engine stores it, those that others refer to first; no value is worked on."""
    plain = MetaData()
    return [
        Table(
            table.name,
            plain,
            *(
                Column(it.name, _stored(it), primary_key=it.primary_key)
                for it in table.columns
                if it.computed is None  # the engine works it out again
            ),
        )
        for table in schema.metadata.sorted_tables
        if table.name not in _PASSING
    ]


def _stored(column: Column[Any]) -> Any:
    if isinstance(column.type, columns.Json):
        return Text()
    return BigInteger() if isinstance(column.type, columns.Time) else column.type


def _sections(file: Iterable[bytes]) -> Iterator[tuple[str, list[str], Iterator[list[Any]]]]:
    """Table by table its columns and rows."""
    lines = iter(file)
    head = next(lines, None)

    def rows() -> Iterator[list[Any]]:
        nonlocal head
        for head in lines:
            if head.startswith(b"{"):
                return
            yield msgspec.json.decode(head)
        head = None

    while head is not None:
        ((name, columns),) = msgspec.json.decode(head, type=dict[str, list[str]]).items()
        yield name, columns, rows()


def _insert(connection: Connection, table: Table, columns: list[str], rows: Iterator[list[Any]]) -> int:
    binary = [index for index, name in enumerate(columns) if isinstance(table.c[name].type, LargeBinary)]
    count = 0
    while some := list(islice(rows, _AT_ONCE)):
        for row in some:
            for index in binary:
                row[index] = None if row[index] is None else base64.b64decode(row[index])
        connection.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in some])
        count += len(some)
    return count


def _number_on(connection: Connection, table: Table) -> None:
    """Let the engine number further rows behind those that came with their numbers."""
    if connection.dialect.name != "postgresql" or [it.name for it in table.primary_key] != ["id"]:
        return
    last = connection.execute(select(func.max(table.c.id))).scalar()
    if last is not None:
        sequence = func.pg_get_serial_sequence(table.name, "id")
        connection.execute(select(func.setval(sequence, last)))


def _files(connection: Connection) -> tuple[dict[str, str], set[str], list[Delivered]]:
    packages, builds, artifacts = schema.packages.c, schema.builds.c, schema.artifacts.c
    named = connection.execute(select(packages.sha256, packages.file_name).order_by(packages.sha256))
    delivered = (
        select(artifacts.build, artifacts.attempt, artifacts.file_name, artifacts.sha256)
        .join(schema.builds, builds.id == artifacts.build)
        .where(builds.state == State.PUBLISHING, builds.attempt == artifacts.attempt)
    )
    listed = connection.execute(select(schema.entries.c.sha256).distinct()).scalars()
    return (
        {row.sha256: row.file_name for row in named},
        set(listed),
        [Delivered(*row) for row in connection.execute(delivered)],
    )
