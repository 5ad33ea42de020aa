"""A server that answers as Nomad's HTTP API is documented to (version 1.9), in so far as builders use it.

No Nomad can be had where these tests run. What is answered was written down from the API's reference (Jobs: Dispatch Job,
Read Job, List Job Allocations, Stop a Job), so it shows that Quarters keeps to that contract, not that Nomad does.
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "e2b3a1c4-nomad"
LARGEST = 16 << 10


@dataclass
class Dispatched:
    """A job that was dispatched; no `client_status` before it has an allocation."""

    payload: bytes
    meta: dict[str, str]
    client_status: str = ""
    said: str = ""
    stopped: bool = False


@dataclass
class Nomad:
    """Knows one parametrised job."""

    job: str = "quarters-build"
    dispatched: dict[str, Dispatched] = field(default_factory=dict)
    away: bool = False
    refused: int = 0
    asked_twice: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it was asked for the second time while it was away."""
    address: str = ""
    on_dispatch: Callable[[str], None] = lambda _: None
    on_stop: Callable[[str], None] = lambda _: None

    def application(self) -> web.Application:
        """Its API."""
        app = web.Application(middlewares=[self._guarded])
        app.router.add_post("/v1/job/{job}/dispatch", self._dispatch)
        app.router.add_get("/v1/job/{job}/allocations", self._allocations)
        app.router.add_get("/v1/job/{job}", self._read)
        app.router.add_delete("/v1/job/{job}", self._stop)
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.away:
            self.refused += 1
            if self.refused == 2:
                self.asked_twice.set()
            return web.Response(status=500, text="No cluster leader")
        if request.headers.get("X-Nomad-Token") != TOKEN:
            return web.Response(status=403, text="Permission denied")
        assert request.query["namespace"] == "builds"
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _dispatch(self, request: web.Request) -> web.Response:
        if request.match_info["job"] != self.job:
            return web.Response(status=404, text="parameterized job not found")
        body = await request.json()
        if set(body["Meta"]) != {"build", "pkgbase"}:
            return web.Response(status=400, text="Dispatch did not provide required meta keys")
        try:
            payload = base64.b64decode(body["Payload"], validate=True)
        except binascii.Error:
            return web.Response(status=400, text="illegal base64 data")
        if len(payload) > LARGEST:
            return web.Response(status=400, text="Payload exceeds maximum size")
        name = f"{self.job}/dispatch-1700000000-{len(self.dispatched):08x}"
        self.dispatched[name] = Dispatched(payload, body["Meta"])
        self.on_dispatch(name)
        return web.json_response(
            {
                "DispatchedJobID": name,
                "EvalID": "e5f55fac",
                "EvalCreateIndex": 13,
                "JobCreateIndex": 12,
                "Index": 13,
            }
        )

    async def _allocations(self, request: web.Request) -> web.Response:
        job = self.dispatched.get(request.match_info["job"])
        if job is None or not job.client_status:
            return web.json_response([])
        events = [{"Type": "Terminated", "DisplayMessage": job.said}] if job.said else []
        allocation = {
            "ID": "ed344e0a",
            "JobID": request.match_info["job"],
            "ClientStatus": job.client_status,
            "DesiredStatus": "stop" if job.stopped else "run",
            "TaskStates": {
                "build": {"State": "dead", "Failed": job.client_status == "failed", "Events": events}
            },
            "CreateIndex": 14,
        }
        return web.json_response([allocation])

    async def _read(self, request: web.Request) -> web.Response:
        job = self.dispatched.get(request.match_info["job"])
        if job is None:
            return web.Response(status=404, text="job not found")
        status = "dead" if job.stopped else "running" if job.client_status else "pending"
        return web.json_response({"ID": request.match_info["job"], "Stop": job.stopped, "Status": status})

    async def _stop(self, request: web.Request) -> web.Response:
        job = self.dispatched.get(request.match_info["job"])
        if job is None:
            return web.Response(status=404, text="job not found")
        job.stopped = True
        self.on_stop(request.match_info["job"])
        return web.json_response({"EvalID": "d092fdc0", "JobModifyIndex": 15})


@asynccontextmanager
async def nomad() -> AsyncIterator[Nomad]:
    """One that listens at its `address`."""
    served = Nomad()
    runner = web.AppRunner(served.application())
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        served.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield served
    finally:
        await runner.cleanup()
