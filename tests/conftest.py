"""Fixtures that every kind of test may use."""

from pathlib import Path

import pytest

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
