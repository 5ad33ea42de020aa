"""Where recipes are worked upon with the network at hand: a sandbox from which nothing but a folder's files comes back."""

import asyncio
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from quarters.model.errors import RecipeInvalid
from quarters.sources.complaints import complaint
from quarters.sources.evaluate import SandboxUnusable
from quarters.sources.isolation import NOBODY, Ended, Limits, isolated, run
from quarters.sources.processes import TooMuch

_BEGUN = b"begun\n"
# Files go to a folder on the disk: sources may be large. Limits: bytes of a file, of core dumps, of address space.
_SCRIPT = """
echo begun
ulimit -f 4194304 -c 0 -v 8388608 -n 1024
echo 1000 >/proc/self/oom_score_adj
bsdtar -x -f - -C /recipe --no-same-owner || exit 99
cd /recipe
exec </dev/null
"""
_HOOK = """
( . "./$hook" ) >&2 || exit
exec bsdtar -c -f - -C /recipe .
"""
_CHECKSUMS = "exec makepkg --geninteg --holdver --skippgpcheck --ignorearch"
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY")
_OUTPUT = 256 << 20
_ERRORS = 1 << 20


class Workbench:
    """Runs hooks, nvchecker and downloads, at most `at_once` of them side by side, each for `timeout` seconds."""

    def __init__(self, timeout: float, at_once: int) -> None:
        self._timeout = timeout
        self._turn = asyncio.Semaphore(at_once)

    async def updated(self, archive: bytes, hook: str, package: str) -> bytes:
        """The folder, as a tar archive, after its script `hook`; RecipeInvalid if that fails."""
        ended = await self._run(archive, _HOOK, environment={"hook": hook, "PACKAGE": package})
        if ended.exit_code != 0:
            raise RecipeInvalid(f"{hook} failed: {_last_line(ended)}")
        return ended.out.removeprefix(_BEGUN)

    async def checksums(self, archive: bytes) -> str:
        """The checksum arrays of the recipe's sources, which are downloaded; RecipeInvalid where that fails."""
        ended = await self._run(archive, _CHECKSUMS)
        if ended.exit_code != 0:
            why = complaint(ended.err.decode(errors="replace"), ended.exit_code)
            raise RecipeInvalid(f"The checksums of the new version cannot be told: {why}")
        return ended.out.removeprefix(_BEGUN).decode(errors="replace")

    async def newest(self, archive: bytes, configuration: str, entry: str) -> dict[str, str]:
        """What nvchecker says about `entry` of a file in the folder: `version` and, where it tells, `revision`."""
        if importlib.util.find_spec("nvchecker") is None:
            raise SandboxUnusable("nvchecker is not installed here; install quarters[nvchecker].")
        script = 'exec "$python" -P -m nvchecker -c "$configuration" -e "$entry" --logger json'
        given = {"python": sys.executable, "configuration": configuration, "entry": entry}
        ended = await self._run(archive, script, environment=given, readable=_python())
        events = [
            line for line in ended.out.removeprefix(_BEGUN).splitlines() + ended.err.splitlines() if line
        ]
        for line in events:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("event") in ("updated", "up-to-date") and event.get("name") == entry:
                return {key: str(event[key]) for key in ("version", "revision") if event.get(key)}
        raise RecipeInvalid(f"nvchecker finds no version: {_told(ended)}")

    async def _run(
        self,
        archive: bytes,
        script: str,
        environment: dict[str, str] | None = None,
        readable: Iterable[Path] = (),
    ) -> Ended:
        async with self._turn:
            room = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="quarters-update-"))
            try:
                folders = {"/tmp": room / "tmp", "/recipe": room / "recipe"}
                _make(room, *folders.values())
                arguments = isolated(memory=(), disk=folders, readable=readable, network=True)
                proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
                for name, value in (proxies | (environment or {})).items():
                    arguments += ["--setenv", name, value]
                arguments += ["--", "bash", "-c", _SCRIPT + script]
                ended = await run(arguments, archive, Limits(self._timeout, _OUTPUT, _ERRORS))
            except (FileNotFoundError, PermissionError):
                raise SandboxUnusable("bubblewrap (bwrap) is not installed here; install it.") from None
            except TimeoutError:
                raise RecipeInvalid(
                    f"It did not end, and was stopped after {self._timeout:g} seconds."
                ) from None
            except TooMuch as error:
                raise RecipeInvalid(f"It printed more than {error.limit >> 20} MiB.") from None
            finally:
                await asyncio.to_thread(shutil.rmtree, room, ignore_errors=True)
        if not ended.out.startswith(_BEGUN):
            raise SandboxUnusable(f"bubblewrap makes no sandbox here: {_last_line(ended)}")
        return ended


def _make(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)


def _python() -> list[Path]:
    """Where this interpreter and its packages are, as far as that is not below /usr."""
    places = {Path(it).resolve() for it in (sys.prefix, sys.base_prefix)}
    return sorted(it for it in places if not it.is_relative_to("/usr"))


def _last_line(ended: Ended) -> str:
    lines = [line.strip() for line in ended.err.decode(errors="replace").splitlines() if line.strip()]
    return _printable(lines[-1]) if lines else f"exit code {ended.exit_code}."


def _told(ended: Ended) -> str:
    for line in ended.err.splitlines() + ended.out.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("level") in ("error", "warning"):
            words = " ".join(str(event[key]) for key in ("event", "error", "msg") if event.get(key))
            return _printable(words)
    return _last_line(ended)


def _printable(text: str) -> str:
    clean = "".join(letter for letter in text if letter.isprintable())[:500]
    return f"{clean.rstrip('.')}."
