"""A new database gets its tables at once, an older one by revisions; both end up with the same tables."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.engine import make_url

from quarters.storage import migrate as module
from quarters.storage.migrate import migrate, newest, upgrade
from quarters.storage.schema import metadata

_ASPECTS = ("columns", "pk_constraint", "foreign_keys", "unique_constraints", "check_constraints", "indexes")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An empty database."""
    url = make_url(database_url)
    postgresql = url.get_backend_name() == "postgresql"
    engine = create_engine(url.set(drivername="postgresql+psycopg") if postgresql else url)
    yield engine
    engine.dispose()


def described(connection: Connection) -> dict[str, Any]:
    """Everything that the engine itself knows about each table, in no order."""
    inspector = inspect(connection)
    found: dict[str, Any] = {}
    for table in inspector.get_table_names():
        for aspect in _ASPECTS:
            known = getattr(inspector, f"get_{aspect}")(table)
            plain = sorted(map(_plain, known)) if isinstance(known, list) else _plain(known)
            found[f"{table} {aspect}"] = plain
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        found |= {f"{row.name} sql": sorted(row.sql.replace(",", " ").split()) for row in rows}
    return found


def _plain(known: Any) -> str:
    if isinstance(known, dict):
        return repr({key: _plain(value) for key, value in sorted(known.items())})
    return str(known)  # also of SQL, whose repr is an address


def test_a_new_database_has_the_same_tables_as_one_that_was_upgraded_revision_by_revision(
    engine: Engine,
) -> None:
    with engine.begin() as connection:
        upgrade(connection)
        upgraded = described(connection)
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    migrate(engine)
    with engine.connect() as connection:
        made = described(connection)
    assert {key for key in made if key.endswith(" columns")} >= {
        f"{name} columns" for name in metadata.tables
    }
    assert made == upgraded


def test_the_newest_revision_is_the_one_that_alembic_would_upgrade_to() -> None:
    folder = module.__file__.removesuffix("migrate.py") + "migrations"
    assert ScriptDirectory(folder).get_heads() == [newest()]


def test_a_new_database_and_one_that_is_up_to_date_are_opened_without_loading_alembic(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    program = f"""
import sys
from sqlalchemy import create_engine
from quarters.storage.migrate import migrate
engine = create_engine({url!r})
migrate(engine)
migrate(engine)
sys.exit("alembic" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_database_without_its_newest_revision_is_upgraded(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        )
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == newest()
        assert set(metadata.tables) <= set(inspect(connection).get_table_names())
