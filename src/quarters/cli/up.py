"""`quarters up`: the whole system on one machine, with nothing to configure."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App
from msgspec.structs import replace
from rich.text import Text

from quarters.cli import output
from quarters.cli.connection import places, read
from quarters.cli.repo import pacman_conf
from quarters.cli.running import ConfigFile, Data, Executor, Port, Root, Slots, settings, stopped
from quarters.config import Config

if TYPE_CHECKING:
    from quarters.wiring.server import RunningServer

app = App(
    name="up",
    help_epilogue="What it needs is made on the first start: the data folder, a signing key, a repository, tokens. "
    "Root isolates builds everywhere, an ordinary user where the system allows that. It runs until Ctrl-C or SIGTERM; "
    "what is being built then goes back to the queue, unless builder.on_stop says that it is to be finished first.",
)


@app.default
async def up(
    *,
    data: Data = None,
    port: Port = None,
    slots: Slots = None,
    executor: Executor = None,
    root: Root = None,
    config: ConfigFile = None,
) -> None:
    """Run server and builder on this machine until told to stop."""
    from quarters.wiring import logs

    chosen = settings(
        config,
        storage={"data": data},
        server={"port": port},
        builder={"slots": slots, "executor": executor, "root": root},
    )
    logs.configure(quiet=sys.stderr.isatty())
    await _run(chosen, config)


async def _run(config: Config, file: Path | None) -> None:
    from quarters.builder.settings import OnStop
    from quarters.cli import first_run
    from quarters.wiring.builder import check
    from quarters.wiring.child import GRACE, kept_alive
    from quarters.wiring.server import running

    folder = config.storage.data.absolute()
    check(replace(config, builder=replace(config.builder, data=folder / "builder")))
    stop = stopped()
    async with running(config) as server:
        home = places(os.environ)[1]
        await first_run.introduce(server, folder, home)
        repository = await first_run.default_repository(server)
        token = await first_run.builder_token(server, folder, config.builder.name)
        finishes = config.builder.on_stop is OnStop.FINISH
        grace = None if finishes else GRACE
        async with kept_alive("builder", _builder(server, config, token, file), grace):
            _greet(server, repository.name, folder, config)
            await stop.wait()
            output.say(
                "Stopping when what is being built has ended; once more to hand it back."
                if finishes
                else "Stopping."
            )
    # Commands are not to be sent to a server that is gone; its data folder keeps how it was reached.
    if (known := read(home)) is not None and known.url == server.url:
        home.unlink()


def _builder(server: "RunningServer", config: Config, token: Path, file: Path | None) -> list[str]:
    # -P keeps the working folder out of the search for modules.
    command = [sys.executable, "-P", "-m", "quarters.cli", "builder"]
    command += ["--server", server.local_url, "--name", config.builder.name]
    command += ["--slots", str(config.builder.slots), "--root", config.builder.root]
    command += ["--executor", config.builder.executor]
    command += ["--data", str(config.storage.data.absolute() / "builder"), "--token-file", str(token)]
    command += ["--parent", str(os.getpid())]
    return [*command, "--config", str(file)] if file else command


def _greet(server: "RunningServer", repository: str, data: Path, config: Config) -> None:
    url, slots = server.url, config.builder.slots
    output.say()
    output.facts(
        [
            ("Quarters is up", Text(url, "bold")),
            ("Data", data),
            ("Builder", f"{config.builder.name}, {slots} build{'' if slots == 1 else 's'} at once"),
            *(("Attention", Text(warning, "yellow")) for warning in server.services.keys.warnings()),
        ]
    )
    output.say()
    output.say("Clients add to /etc/pacman.conf:")
    output.say()
    output.say(_indented(pacman_conf(repository, url)))
    output.say()
    output.say("Next:")
    output.say()
    output.facts(
        [
            ("  quarters source add NAME URL", "recipes from a git repository, a folder each"),
            ("  quarters builds watch", "what is being built"),
            ("  quarters key export", "the public key, for pacman-key --add"),
        ]
    )
    output.say()
    sys.stdout.flush()


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
