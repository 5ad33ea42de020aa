"""Jobs of Nomad: each build is a dispatch of one parametrised job, by Nomad's HTTP API."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from yarl import URL

from quarters.builder.cluster.cluster import ClusterAway, Job, JobRefused, Phase
from quarters.builder.cluster.handover import Handover
from quarters.builder.cluster.settings import NomadSettings
from quarters.builder.failure import BuilderUnusable

_LARGEST_PAYLOAD = 16 << 10
"""Bytes that Nomad takes with a dispatch (job specification, `parameterized`)."""
_TIMEOUT = 30.0
_GONE = 404
_ENDED = {"dead"}


class Nomad:
    """What is handed over is the payload of a dispatch; no token is in it, as everybody sees it who may read the job."""

    name = "nomad"
    carries_token = False

    def __init__(self, settings: NomadSettings) -> None:
        self.poll = settings.poll
        self._settings = settings
        self._address = settings.address.rstrip("/")

    def check(self) -> None:
        """Its address."""
        if not self._address.startswith(("http://", "https://")):
            raise BuilderUnusable(f"nomad.address: {self._address} is no URL such as http://127.0.0.1:4646.")

    async def submit(self, handed: Handover) -> str:
        """Dispatch the job (API, Jobs, Dispatch Job)."""
        payload = msgspec.json.encode(handed)
        if len(payload) > _LARGEST_PAYLOAD:
            raise JobRefused(
                f"What the job has to be told takes {len(payload)} bytes, and Nomad takes {_LARGEST_PAYLOAD}: the "
                "repository's keys or lines of configuration are too long."
            )
        assignment = handed.assignment
        body = {
            "Payload": base64.b64encode(payload).decode(),
            "Meta": {"build": str(assignment.build), "pkgbase": assignment.pkgbase},
        }
        answer = await self._call("POST", f"{_job(self._settings.job)}/dispatch", body)
        if answer is None:
            raise JobRefused(
                f"Nomad has no job {self._settings.job}; register it, as packaging/nomad has it."
            )
        return str(answer["DispatchedJobID"])

    async def look(self, job: str) -> Job:
        """By its allocations (API, Jobs, List Job Allocations); before there is one, it waits for a place."""
        allocations = await self._call("GET", f"{_job(job)}/allocations")
        if allocations:
            newest = max(allocations, key=lambda it: int(it.get("CreateIndex", 0)))
            return _phase(str(newest["ClientStatus"]), newest.get("TaskStates") or {})
        found = await self._call("GET", _job(job))
        if found is None or found.get("Stop") or found.get("Status") in _ENDED:
            return Job(Phase.LOST, "Nomad stopped it before it ran")
        return Job(Phase.WAITING)

    async def cancel(self, job: str) -> None:
        """Stop it: its kill signal first, then SIGKILL after the job's kill_timeout."""
        await self._call("DELETE", _job(job))

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        """What Nomad answers; None where there is no such job."""
        headers = {"X-Nomad-Token": self._settings.token} if self._settings.token else {}
        query = urlencode({"namespace": self._settings.namespace})
        address = URL(f"{self._address}{path}?{query}", encoded=True)
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=True) as session,
                session.request(method, address, json=body) as answer,
            ):
                text = await answer.text()
                if answer.status == _GONE:
                    return None
                if answer.status >= 500:
                    raise ClusterAway(f"Nomad answers {answer.status}: {text.strip()}")
                if answer.status >= 400:
                    raise JobRefused(f"Nomad refuses it: {text.strip()}")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ClusterAway(
                f"Nomad at {self._address} does not answer: {str(error) or type(error).__name__}"
            ) from error
        return msgspec.json.decode(text) if text.strip() else {}


def _job(name: str) -> str:
    # A dispatched job's name holds a slash.
    return f"/v1/job/{quote(name, safe='')}"


def _phase(status: str, tasks: Mapping[str, Any]) -> Job:
    # structs.AllocClientStatus… of Nomad's source
    if status == "pending":
        return Job(Phase.WAITING)
    if status == "running":
        return Job(Phase.RUNNING)
    if status == "complete":
        return Job(Phase.DONE)
    events = [event for task in tasks.values() for event in task.get("Events") or ()]
    last = str(events[-1].get("DisplayMessage", "")) if events else ""
    return Job(Phase.LOST, f"{status}, {last}" if last else status)
