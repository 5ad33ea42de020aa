"""What `server`, `builder` and `up` have in common: their options, and staying until they are told to stop."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from quarters.config import Config, load

ConfigFile = Annotated[
    Path | None,
    Parameter(name="--config", help="Configuration file; by default quarters.toml here or in /etc/quarters."),
]
Data = Annotated[Path | None, Parameter(name="--data", help="Folder for all data.")]
Host = Annotated[str | None, Parameter(name="--host", help="Address to listen on.")]
Port = Annotated[int | None, Parameter(name="--port", help="Port to listen on; 0 takes any free one.")]
Slots = Annotated[int | None, Parameter(name="--slots", help="How many builds run at once.")]
Executor = Annotated[
    str | None,
    Parameter(name="--executor", help="What isolates builds: sandbox, container, or what a plug-in adds."),
]
Root = Annotated[
    str | None,
    Parameter(
        name="--root",
        help="What builds start from: host, which is this machine's /usr; pacstrap or image, which are made as the section "
        "root of the configuration says; or a folder with a clean system.",
    ),
]


def settings(path: Path | None, **sections: dict[str, object]) -> Config:
    """The configuration with the options of the command line, as far as they were given, on top."""
    config = load(path, os.environ)
    for name, options in sections.items():
        given = {key: value for key, value in options.items() if value is not None}
        section = msgspec.structs.replace(getattr(config, name), **given)
        config = msgspec.structs.replace(config, **{name: section})
    return config


def stopped() -> asyncio.Event:
    """Set by the first SIGINT or SIGTERM; the second one ends the process at once."""
    return signals(1)[0]


def signals(count: int) -> list[asyncio.Event]:
    """Each set by one more SIGINT or SIGTERM; what comes after the last one ends the process at once."""
    events = [asyncio.Event() for _ in range(count)]
    loop = asyncio.get_running_loop()

    def asked() -> None:
        next(event for event in events if not event.is_set()).set()
        if events[-1].is_set():
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
    return events
