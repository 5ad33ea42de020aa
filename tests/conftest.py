"""Fixtures that every kind of test may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgresql import running_postgresql

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's root: the checkout that these tests stand in."""
    return PROJECT


@pytest.fixture(scope="session")
def corpus() -> Path:
    """A folder of thousands of real recipes beside the checkout, or a skip where it is absent."""
    folder = PROJECT.parent / "shared" / "corpus"
    if not folder.is_dir():
        pytest.skip(f"the corpus of real recipes is not beside the checkout: {folder}")
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the tests, without a database name."""
    with running_postgresql() as url:
        yield url
