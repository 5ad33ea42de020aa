"""Brings a database's schema to the newest revision; Alembic is loaded only where there is something to migrate."""

from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    select,
)

from quarters.model.errors import Conflict
from quarters.storage.schema import metadata

_FOLDER = Path(__file__).parent / "migrations"
# As Alembic makes it itself.
_versions = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def migrate(engine: Engine) -> None:
    """Make the tables, or upgrade them to the newest revision, in one transaction; most often there is nothing to do."""
    with engine.begin() as connection:
        tables = inspect(connection).get_table_names()
        if not tables:
            metadata.create_all(connection)
            _versions.create(connection)
            connection.execute(insert(_versions).values(version_num=newest()))
        elif _versions.name not in tables or connection.scalars(select(_versions)).all() != [newest()]:
            upgrade(connection)


def require_newest(engine: Engine) -> None:
    """Conflict unless the tables are those of this version; nothing is changed."""
    with engine.connect() as connection:
        known = inspect(connection).has_table(_versions.name)
        if not known or connection.scalars(select(_versions)).all() != [newest()]:
            raise Conflict(
                "The database is of another version of Quarters; start the server of this one first."
            )


def upgrade(connection: Connection) -> None:
    """Run the revisions that the database does not have yet, all of them where it is empty."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def newest() -> str:
    """The revision whose tables `storage.schema` describes; the files are named after theirs."""
    return max(path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py"))
