"""The `quarters` command: its nouns, and the one place where an error becomes a sentence and an exit code."""

import os
import sys
from collections.abc import Sequence
from functools import cache

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.exceptions import UnknownCommandError

from quarters import __version__
from quarters.model.errors import QuartersError

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130

# Each is imported when it is used, so that every command starts as quickly as it can.
_COMMANDS = (
    ("Run", "up", "Run server and builder on this machine; data in one folder, nothing to configure."),
    ("Run", "server", "Run the server alone; builders come from elsewhere."),
    ("Run", "builder", "Run a builder on this machine for a server on any machine."),
    ("Packages", "repo", "Repositories, which clients install from: create, look into, publish, roll back."),
    ("Packages", "source", "Sources, where recipes come from: add, sync, look into."),
    ("Packages", "aur", "Search the AUR, and follow packages of it with all that they need."),
    ("Packages", "review", "Changes of recipes that wait for a look: list, show, approve, reject."),
    ("Packages", "plan", "Show what would be built, in which order, and why."),
    ("Packages", "build", "Build packages, and everything that they need first."),
    ("Packages", "rebuild", "Build packages again, or what depends on a library, and publish it together."),
    ("Packages", "rebuilds", "Rebuilds: list, explain, publish without the rest, drop; what is suggested."),
    ("Packages", "builds", "Builds: watch, list, explain, cancel, retry."),
    ("Packages", "log", "Show what a build printed, also while it runs."),
    ("Packages", "schedule", "Show the next times at which a schedule fires."),
    ("Packages", "builders", "Builders: who builds; drain, disable and enable them."),
    ("Set up", "token", "Tokens, which say who may do what: create, list, revoke."),
    ("Set up", "key", "Keys that packages and indexes are signed with: export, create, import."),
    ("Set up", "config", "Check the configuration, or show it and where each setting comes from."),
    ("Set up", "completion", "Print what a shell needs to complete commands and options."),
    (
        "Look after",
        "backup",
        "Back up the server on this machine while it runs; a second time only what is new.",
    ),
    ("Look after", "restore", "Restore a backup, or rebuild a lost database from the package files."),
    ("Look after", "check", "Check that everything that is stored is what was published, or a backup."),
)


@cache
def application() -> App:
    """The command with all its nouns, none of them imported yet; there is one, since nouns belong to one command."""
    app = App(
        name="quarters",
        help="Turns package recipes into signed binary repositories that pacman installs from.\n\n"
        "Begin with `quarters up`. The other commands talk to the server that it started last on this machine, or to the "
        "one that QUARTERS_URL and QUARTERS_TOKEN name.\n\n"
        "Every command takes --help, and those that show something take --json. The exit code is 0 when it is done, 1 "
        "when it failed, 2 when it was used wrongly.",
        version=__version__,
        help_format="plaintext",
        default_parameter=Parameter(negative_iterable=(), show_default=_default),
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    groups = {title: Group(title, sort_key=place) for place, (title, _, _) in enumerate(_COMMANDS)}
    for place, (title, name, help) in enumerate(_COMMANDS):
        app.command(f"quarters.cli.{name}:app", name=name, help=help, group=groups[title], sort_key=place)
    app["--help"].group = app["--version"].group = Group("Options", sort_key=len(_COMMANDS))
    return app


def main() -> int:
    """Run the command that the process was started with; the exit code is 0 done, 1 failed, 2 wrong use."""
    return run(sys.argv[1:])


def run(arguments: Sequence[str]) -> int:
    """Run one command; the only translator of errors."""
    app = application()
    try:
        result = app(list(arguments) or ["--help"])
        sys.stdout.flush()
    except CycloptsError as error:
        return _say(_usage(error), WRONG_USE)
    except QuartersError as error:
        return _say(str(error), FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return result if isinstance(result, int) else 0


def _default(value: object) -> str | None:
    """A default as a person would type it; nothing where leaving out is the same as not asking for it."""
    if value in (None, "", ()) or value is False:
        return None
    if value is True:
        return "yes"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)


def _say(sentence: str, code: int) -> int:
    print(f"quarters: {sentence}", file=sys.stderr)
    return code


def _usage(error: CycloptsError) -> str:
    words = " ".join(str(error).split())
    chain = list(error.command_chain or ())
    if isinstance(error, UnknownCommandError) and chain:
        chain = chain[:-1]
    sentence = words if words.endswith(("...", "?")) else f"{words.removesuffix('.')}."
    return f"{sentence} See `{' '.join(['quarters', *chain])} --help`."
