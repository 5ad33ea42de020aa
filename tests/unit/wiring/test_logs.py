"""What a process says about itself."""

import io
import sys
from collections.abc import Iterator

import pytest
import structlog

from quarters.wiring import logs


class Terminal(io.StringIO):
    """Standard error as people have it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def configured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("configured")
def test_a_traceback_shows_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    logs.configure()
    token = "".join(("qt_", "secret"))
    try:
        raise ValueError(len(token))
    except ValueError:
        structlog.get_logger().exception("it broke")
    assert "ValueError: 9" in terminal.getvalue()
    assert token not in terminal.getvalue()
