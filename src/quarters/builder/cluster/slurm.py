"""Jobs of Slurm, by its own commands: sbatch(1), squeue(1), scancel(1)."""

import asyncio
import math
import os
import shlex
import shutil
from pathlib import Path

from quarters.builder.cluster import handover
from quarters.builder.cluster.cluster import ClusterAway, Job, JobRefused, Phase
from quarters.builder.cluster.handover import Handover
from quarters.builder.cluster.settings import SlurmSettings
from quarters.builder.failure import BuilderUnusable
from quarters.builder.workspace import PATH

_TOOLS = ("sbatch", "squeue", "scancel")
_AROUND = 900
"""Seconds of a job beside the build's own: a root may have to be made first, and the packages have to be sent."""
_ROOM = 1.5
"""As builder.limits has it."""
# squeue(1), JOB STATE CODES
_WAITING = {
    "PENDING",
    "CONFIGURING",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESV_DEL_HOLD",
    "SPECIAL_EXIT",
}
_RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
_DONE = "COMPLETED"
_UNKNOWN = "Invalid job id"
# The words of slurm_strerror for what a second try can mend.
_AWAY = (
    "Unable to contact",
    "Socket timed out",
    "Connection refused",
    "Zero Bytes",
    "Transport endpoint",
    "Resource temp",
)


class Slurm:
    """What is handed over lies below `folder`, which every node sees at the same path."""

    name = "slurm"
    carries_token = True

    def __init__(self, settings: SlurmSettings, folder: Path) -> None:
        self.poll = settings.poll
        self._settings = settings
        self._folder = folder.absolute()

    def check(self) -> None:
        """The three commands."""
        missing = [tool for tool in _TOOLS if shutil.which(tool, path=PATH) is None]
        if missing:
            raise BuilderUnusable(f"{', '.join(missing)} cannot be found; install Slurm's client commands.")

    async def submit(self, handed: Handover) -> str:
        """Let sbatch take a script that takes the file."""
        assignment = handed.assignment
        file = self._folder / f"{assignment.build}-{assignment.attempt}.json"
        await asyncio.to_thread(handover.write, file, handed)
        call = [*self._settings.command, "builder", "--once", str(file), *self._settings.arguments]
        script = f"#!/bin/sh\nexport PATH={PATH} HOME=${{HOME:-/}}\nexec {shlex.join(call)}\n"
        try:
            return (await _run("sbatch", *self._options(handed), said=script)).split(";")[0].strip()
        except BaseException:
            file.unlink(missing_ok=True)
            raise

    async def look(self, job: str) -> Job:
        """By squeue, which knows a job for some minutes after its end (slurm.conf(5), MinJobAge)."""
        try:
            state = (
                await _run("squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={job}")
            ).strip()
        except JobRefused as error:
            if _UNKNOWN not in str(error):
                raise ClusterAway(str(error)) from error
            state = ""
        if state in _WAITING:
            return Job(Phase.WAITING)
        if state in _RUNNING:
            return Job(Phase.RUNNING)
        return (
            Job(Phase.DONE) if state == _DONE else Job(Phase.LOST, state or "Slurm does not know it any more")
        )

    async def cancel(self, job: str) -> None:
        """By scancel: SIGTERM first, SIGKILL after Slurm's KillWait."""
        try:
            await _run("scancel", job)
        except JobRefused as error:
            if _UNKNOWN not in str(error):
                raise ClusterAway(str(error)) from error

    def _options(self, handed: Handover) -> list[str]:
        assignment, settings = handed.assignment, self._settings
        memory = max(int(settings.memory), int(assignment.memory * _ROOM) if settings.memory else 0)
        wanted = {
            "job-name": f"quarters-{assignment.pkgbase}",
            "comment": f"build {assignment.build} of {handed.server}",
            "time": str(math.ceil((assignment.timeout + _AROUND) / 60)),
            "partition": settings.partition,
            "account": settings.account,
            "mem": f"{math.ceil(memory / (1 << 20))}M" if memory else "",
            "cpus-per-task": str(settings.cores or ""),
        }
        # Nothing of this process's environment is the job's business; what it prints is in the build's log as well.
        fixed = ["--parsable", "--no-requeue", "--export=NIL", "--chdir=/", "--output=/dev/null"]
        return [*fixed, *(f"--{name}={value}" for name, value in wanted.items() if value), *settings.options]


async def _run(tool: str, *arguments: str, said: str = "") -> str:
    # SLURM_CONF and the like are the user's.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("QUARTERS_")}
    process = await asyncio.create_subprocess_exec(
        tool,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**environ, "PATH": PATH, "LC_ALL": "C"},
    )
    printed, complained = await process.communicate(said.encode())
    if process.returncode:
        words = " ".join(complained.decode(errors="replace").split())
        if any(word in words for word in _AWAY):
            raise ClusterAway(f"{tool}: {words}")
        raise JobRefused(f"{tool} does not take it: {words}")
    return printed.decode()
