"""`quarters builder`: a machine that builds for a server."""

import os
import sys
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, Token
from rich.text import Text

from quarters.cli.output import Json
from quarters.cli.running import ConfigFile, Executor, Root, Slots
from quarters.model.errors import ConfigInvalid, Unavailable
from quarters.model.size import Size

app = App(
    name="builder",
    help_epilogue="It needs a token with the scope builder, made on the server with `quarters token create NAME "
    "--scope builder`. It only ever calls the server, never the other way round. It runs until Ctrl-C or SIGTERM and then "
    "hands its builds back, or finishes them first if builder.on_stop says so; what is built but not sent yet it sends "
    "after its next start.",
)

TokenFile = Annotated[
    Path | None, Parameter(help="File with the token; or set QUARTERS_TOKEN, but never an argument.")
]

_DESCRIPTOR = "/proc/self/fd/"
_VARIABLES = ("QUARTERS_TOKEN", "QUARTERS_BUILDER__TOKEN")


def _size(kind: object, tokens: Sequence[Token]) -> Size:
    return Size.of(tokens[0].value)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Machine:
    """What this machine brings, and whom it works for; what is left out comes from the configuration."""

    server: Annotated[str | None, Parameter(help="URL of the server.")] = None
    name: Annotated[str | None, Parameter(help="Name of this builder; its token bears the same.")] = None
    slots: Slots = None
    build_class: Annotated[
        int | None, Parameter(name="--class", help="Builds what asks for this class or a lower one.")
    ] = None
    memory: Annotated[
        Size | None,
        Parameter(
            converter=_size, help="Memory for its builds together, such as 8GiB; else all of this machine."
        ),
    ] = None
    disk: Annotated[
        Size | None,
        Parameter(converter=_size, help="Disk for its builds together; else what is free where its data is."),
    ] = None
    executor: Executor = None
    root: Root = None
    data: Annotated[Path | None, Parameter(help="Folder for roots, caches and work.")] = None


@app.default
async def builder(
    *,
    config: ConfigFile = None,
    machine: Machine | None = None,
    token_file: TokenFile = None,
    once: Annotated[
        Path | None,
        Parameter(help="Build what this file hands over, and end: the jobs of clusters are called so."),
    ] = None,
    parent: Annotated[int | None, Parameter(show=False)] = None,
) -> int:
    """Run a builder until it is told to stop."""
    from quarters.cli.running import settings, signals
    from quarters.wiring import builder as wired
    from quarters.wiring import logs
    from quarters.wiring.parent import end_with

    if parent is not None:
        end_with(parent)
    hide_token(os.environ)
    token = _read(token_file) if token_file else None
    given = vars(machine or Machine())
    chosen = settings(config, builder={**given, "token": token})
    os.environ.pop("QUARTERS_BUILDER__TOKEN_FILE", None)
    if once is not None:
        logs.configure()
        return 0 if await wired.once(chosen, once, signals(1)[0]) else 1
    if not chosen.builder.token:
        raise ConfigInvalid(
            "A builder needs a token: make one on the server with "
            f"`quarters token create {chosen.builder.name} --scope builder`, and set QUARTERS_TOKEN or give --token-file."
        )
    logs.configure(quiet=parent is not None and sys.stderr.isatty())
    stop, hurry = signals(2)
    await wired.run(chosen, stop, hurry)
    return 0


@app.command
async def check(
    *,
    config: ConfigFile = None,
    machine: Machine | None = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> int:
    """Look at this machine: what works, what does not and how to mend it; the exit code is 1 if it cannot build."""
    from quarters.builder.findings import Verdict
    from quarters.cli import output
    from quarters.cli.running import settings
    from quarters.wiring.builder import examine

    token = _read(token_file) if token_file else os.environ.get("QUARTERS_TOKEN")
    chosen = settings(config, builder={**vars(machine or Machine()), "token": token})
    found = await examine(chosen)
    can_build = all(it.verdict is not Verdict.BAD for it in found)
    if json:
        output.show({"can_build": can_build, "findings": found})
    else:
        marks = {
            Verdict.GOOD: Text("✓", "green"),
            Verdict.DOUBTFUL: Text("!", "yellow"),
            Verdict.BAD: Text("✗", "red"),
        }
        output.table(
            ("", "WHAT", "FOUND", "TO MEND IT"),
            ((marks[it.verdict], it.name, it.says, it.mend) for it in found),
        )
    return 0 if can_build else 1


def hide_token(environ: MutableMapping[str, str]) -> None:
    """Start this process anew without the token in its environment, which anybody who is the same user could read.

    The kernel shows the environment that a program was started with, whatever is removed from it later; so the token
    goes on as an open file without a name.
    """
    found = [environ.pop(name) for name in _VARIABLES if name in environ]
    if not found:
        return
    file = os.memfd_create("token", 0)
    os.write(file, found[0].encode())
    command = [*sys.orig_argv, "--token-file", f"{_DESCRIPTOR}{file}"]
    sys.stdout.flush()
    os.execve(sys.executable, command, dict(environ))  # noqa: S606 - the very same program


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigInvalid(f"--token-file: {path} cannot be read: {error.strerror}.") from error
    if str(path).startswith(_DESCRIPTOR):
        with suppress(OSError):
            os.close(int(path.name))
    if not text:
        raise Unavailable(f"--token-file: {path} is empty.")
    return text
