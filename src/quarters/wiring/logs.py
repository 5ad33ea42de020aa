"""What a process says about itself: a line per happening on standard error."""

import logging
import sys

import structlog
from structlog.typing import Processor


def configure(*, quiet: bool = False) -> None:
    """Write log lines to standard error: for people on a terminal, as JSON elsewhere; `quiet` leaves out what is usual."""
    people = sys.stderr.isatty()
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if people else "iso", utc=not people),
    ]
    if people:
        # Not its own tracebacks, which show every local variable: some of those are tokens.
        plain = structlog.dev.plain_traceback
        processors.append(structlog.dev.ConsoleRenderer(pad_event_to=0, exception_formatter=plain))
    else:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    level = logging.WARNING if quiet else logging.INFO
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries speak through the standard module, and only when something is wrong.
    logging.basicConfig(
        level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
