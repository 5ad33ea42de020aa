"""What an ordinary user isolates builds with: a user namespace, in which they are root over what is theirs."""

import os
import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from quarters.builder.failure import BuilderUnusable

_TRIAL_SECONDS = 30


def is_needed() -> bool:
    """Whether this process is an ordinary user's."""
    return os.geteuid() != 0


def namespace() -> tuple[str, ...]:
    """Options of unshare(1) that make a process root over its user's files; none where it is root already."""
    return ("--user", "--map-root-user") if is_needed() else ()


def as_root(*command: str) -> tuple[str, ...]:
    """`command` with rights over all files of this user, whatever modes a build gave them."""
    return ("unshare", *namespace(), "--", *command) if is_needed() else command


def overlay_options() -> str:
    """What overlays need there: their marks as attributes that users may set (overlayfs.rst, Linux 5.11)."""
    return ",userxattr" if is_needed() else ""


def skeleton(layer: Path, to: Path) -> str:
    """Make folders in `to` that stand above those of `layer` and can be written to; "" where none are needed.

    In the namespace the machine's files are nobody's: they can be read, but nothing can be made in their folders.
    An overlay's folders are like those of its topmost layer, so empty ones of one's own above them are enough.
    """
    if not is_needed() or layer.stat().st_uid == os.geteuid():
        return ""
    to.mkdir(parents=True, exist_ok=True)
    wanted, there = _folders(layer), _folders(to)
    for name in sorted(there - wanted, reverse=True):
        (to / name).rmdir()
    for name in sorted(wanted - there):
        (to / name).mkdir()
    return str(to)


def _folders(top: Path) -> set[str]:
    return {
        os.path.relpath(os.path.join(folder, name), top)
        for folder, names, _ in os.walk(top)
        for name in names
        if not os.path.islink(os.path.join(folder, name))
    }


def check(folder: Path, path: str) -> None:
    """BuilderUnusable unless a user namespace with an overlay in `folder` can be had; tools are looked for in `path`."""
    if is_needed() and (why := lacking(folder, path)):
        raise BuilderUnusable(
            "This system does not let an ordinary user isolate builds, which takes user namespaces and overlays in "
            f"them ({why}); run it with sudo."
        )


def lacking(folder: Path, path: str) -> str:
    """What the system says that refuses this process namespaces with an overlay in `folder`; "" if it permits them."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        trial = TemporaryDirectory(prefix="trial-", dir=folder)
    except OSError as error:
        raise BuilderUnusable(f"{folder} cannot be written: {error.strerror}.") from error
    with trial as name:
        places = {part: Path(name, part) for part in ("lower", "upper", "scratch", "point")}
        for place in places.values():
            place.mkdir()
        options = f"lowerdir={places['lower']},upperdir={places['upper']},workdir={places['scratch']}{overlay_options()}"
        bwrap = "bwrap --unshare-pid --bind / / --proc /proc --dev /dev true"
        script = (
            f"mount -t overlay overlay -o {shlex.quote(options)} {shlex.quote(str(places['point']))}\n{bwrap}"
        )
        command = [
            "unshare",
            *namespace(),
            "--mount",
            "--propagation",
            "private",
            "--",
            "/bin/sh",
            "-euc",
            script,
        ]
        done = subprocess.run(
            command, env={"PATH": path}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=_TRIAL_SECONDS,
        )  # fmt: skip
        subprocess.run([*as_root("rm", "-rf"), str(places["scratch"])], env={"PATH": path}, check=False)
    return (done.stderr.strip().splitlines() or ["no reason was given"])[-1] if done.returncode else ""
