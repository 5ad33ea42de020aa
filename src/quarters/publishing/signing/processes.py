"""Programs that sign: given what to sign, watched over, and ended with all they started."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from quarters.model.errors import Unavailable


def answer(
    command: Sequence[str], content: bytes | Path, timeout: float, variables: Mapping[str, str] | None = None
) -> bytes:
    """What `command` prints when it is given `content` on its standard input; Unavailable if it fails or hangs."""
    with ExitStack() as stack:
        source = stack.enter_context(content.open("rb")) if isinstance(content, Path) else subprocess.PIPE
        try:
            process = stack.enter_context(
                subprocess.Popen(
                    command,
                    stdin=source,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env={**os.environ, **(variables or {})},
                    start_new_session=True,
                )
            )
        except OSError as error:
            raise Unavailable(
                f"Nothing can be signed: {command[0]} does not start: {error.strerror}."
            ) from None
        try:
            printed, complained = process.communicate(
                content if isinstance(content, bytes) else None, timeout
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f"Nothing can be signed: {command[0]} took more than {timeout:g} seconds."
            ) from None
        finally:
            # It may have left others behind, or have been left itself by an error here.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        lines = complained.decode(errors="replace").strip().splitlines()
        why = f": {lines[-1].rstrip('.')}" if lines else ""
        raise Unavailable(f"Nothing can be signed: {command[0]} failed with code {process.returncode}{why}.")
    return printed
