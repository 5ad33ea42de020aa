"""A server on loopback that speaks what GitHub, GitLab and Gitea speak about merge requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "secret"


@dataclass
class Request:
    """A merge request: `state` is open, merged or closed."""

    number: int
    branch: str
    base: str
    title: str
    text: str
    assignee: str = ""
    state: str = "open"
    by: str = ""


@dataclass
class LocalForge:
    """One project `people/tree`; all three interfaces show the same merge requests."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    down: bool = False

    def open(self, branch: str, base: str, title: str, text: str, assignee: str = "") -> Request:
        """A new one; one branch has one that is open."""
        if any(it.branch == branch and it.state == "open" for it in self.requests):
            raise web.HTTPConflict(text='{"message": "there is one already"}')
        made = Request(len(self.requests) + 1, branch, base, title, text, assignee)
        self.requests.append(made)
        return made

    def get(self, number: str) -> Request:
        """One of them."""
        if not number.isdigit() or not 0 < int(number) <= len(self.requests):
            raise web.HTTPNotFound
        return self.requests[int(number) - 1]

    def pull(self, it: Request) -> dict[str, Any]:
        """As GitHub and Gitea tell it."""
        return {
            "number": it.number,
            "html_url": f"{self.url}/people/tree/pulls/{it.number}",
            "state": "open" if it.state == "open" else "closed",
            "merged": it.state == "merged",
            "merged_by": {"login": it.by} if it.by else None,
        }

    def merge(self, it: Request) -> dict[str, Any]:
        """As GitLab tells it."""
        return {
            "iid": it.number,
            "web_url": f"{self.url}/people/tree/-/merge_requests/{it.number}",
            "state": {"open": "opened"}.get(it.state, it.state),
            "merge_user": {"id": 7, "username": it.by} if it.by else None,
        }

    async def pulls(self, request: web.Request) -> web.Response:
        """GitHub's and Gitea's list and creation."""
        if request.method == "POST":
            sent = await request.json()
            people = sent.get("assignees") or [""]
            made = self.open(sent["head"], sent["base"], sent["title"], sent["body"], people[0])
            return web.json_response(self.pull(made), status=201)
        branch = request.query.get("head", "").partition(":")[2]
        found = [it for it in self.requests if it.branch == branch and it.state == "open"]
        return web.json_response([{**self.pull(it), "merged": None} for it in found])

    async def one_pull(self, request: web.Request) -> web.Response:
        """GitHub's and Gitea's single one."""
        it = self.get(request.match_info["number"])
        if request.method == "PATCH":
            it.state = (await request.json())["state"]
        return web.json_response(self.pull(it))

    async def between(self, request: web.Request) -> web.Response:
        """Gitea's one between two branches."""
        for it in self.requests:
            if (it.base, it.branch) == (request.match_info["base"], request.match_info["head"]):
                return web.json_response(self.pull(it))
        raise web.HTTPNotFound

    async def assignees(self, request: web.Request) -> web.Response:
        """GitHub's, of an issue."""
        self.get(request.match_info["number"]).assignee = (await request.json())["assignees"][0]
        return web.json_response({}, status=201)

    async def merges(self, request: web.Request) -> web.Response:
        """GitLab's list and creation."""
        if request.match_info["project"] != "people/tree":
            raise web.HTTPNotFound
        if request.method == "POST":
            sent = await request.json()
            who = "ada" if sent.get("assignee_id") == 7 else ""
            made = self.open(
                sent["source_branch"], sent["target_branch"], sent["title"], sent["description"], who
            )
            return web.json_response(self.merge(made), status=201)
        branch = request.query["source_branch"]
        found = [it for it in self.requests if it.branch == branch and it.state == "open"]
        return web.json_response([self.merge(it) for it in found])

    async def one_merge(self, request: web.Request) -> web.Response:
        """GitLab's single one."""
        it = self.get(request.match_info["number"])
        if request.method == "PUT":
            it.state = {"close": "closed"}[(await request.json())["state_event"]]
        return web.json_response(self.merge(it))

    async def users(self, request: web.Request) -> web.Response:
        """GitLab's accounts."""
        return web.json_response([{"id": 7, "username": "ada"}] if request.query["username"] == "ada" else [])


@asynccontextmanager
async def local_forge() -> AsyncIterator[LocalForge]:
    """The server, running."""
    forge = LocalForge()

    @web.middleware
    async def guarded(request: web.Request, handler: Any) -> web.StreamResponse:
        if forge.down:
            raise web.HTTPBadGateway(text="<html>down</html>")
        said = request.headers.get("Authorization", "").rpartition(" ")[2]
        if TOKEN not in (said, request.headers.get("PRIVATE-TOKEN")):
            raise web.HTTPUnauthorized(text='{"message": "401 Unauthorized"}')
        answer: web.StreamResponse = await handler(request)
        return answer

    app = web.Application(middlewares=[guarded])
    for base in ("/api/v3", "/api/v1"):
        place = f"{base}/repos/people/tree"
        app.router.add_route("*", f"{place}/pulls", forge.pulls)
        app.router.add_route("*", f"{place}/pulls/{{number}}", forge.one_pull)
        app.router.add_post(f"{place}/issues/{{number}}/assignees", forge.assignees)
    app.router.add_get("/api/v1/repos/people/tree/pulls/{base}/{head}", forge.between)
    app.router.add_route("*", "/api/v4/projects/{project}/merge_requests", forge.merges)
    app.router.add_route("*", "/api/v4/projects/{project}/merge_requests/{number}", forge.one_merge)
    app.router.add_get("/api/v4/users", forge.users)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    forge.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield forge
    finally:
        await runner.cleanup()
