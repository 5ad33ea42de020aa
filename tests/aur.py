"""A server on loopback that speaks what the AUR speaks: RPC version 5, and git over HTTP."""

import gzip
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.following import Git


@dataclass
class LocalAur:
    """Packages that people push, and what clients asked for."""

    folder: Path
    url: str = ""
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    clock: int = 1_700_000_000
    tags: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Tags of projects, by number or path, as GitLab tells them."""

    def push(self, pkgbase: str, version: str = "1.0-1", **more: Any) -> None:
        """A new state of a recipe's repository; `more` are fields of the RPC's answers."""
        folder = self.folder / pkgbase
        git = Git(folder) if not folder.exists() else Git.of(folder)
        git.write(".", version, pkgbase)
        git.commit()
        # What lies below `/NAME.git` is served as files: git's "dumb" protocol.
        subprocess.run(["git", "update-server-info"], cwd=folder, check=True)
        self.clock += 1
        self.packages[pkgbase] = {
            "Name": pkgbase,
            "PackageBase": pkgbase,
            "Version": version,
            "Description": f"The package {pkgbase}",
            "Maintainer": "ada",
            "NumVotes": 7,
            "Popularity": 0.5,
            "OutOfDate": None,
            "LastModified": self.clock,
        } | more

    async def info(self, request: web.Request) -> web.Response:
        """`/rpc/v5/info?arg[]=…`."""
        self.asked.append("info")
        names = request.query.getall("arg[]", [])
        return _results([self.packages[name] for name in names if name in self.packages])

    async def tagged(self, request: web.Request) -> web.Response:
        """`/api/v4/projects/ID/repository/tags`, a page of it, if it changed."""
        self.asked.append("tags")
        size, page = int(request.query.get("per_page", 20)), int(request.query.get("page", 1))
        found = self.tags[request.match_info["id"]][(page - 1) * size : page * size]
        etag = f'W/"{sha256(json.dumps(found).encode()).hexdigest()}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        return web.json_response(found, headers={"ETag": etag})

    async def project(self, request: web.Request) -> web.Response:
        """`/api/v4/projects/ID`; the local one's projects all belong to `group`."""
        return web.json_response({"path_with_namespace": f"group/{request.match_info['id']}"})

    def tag(self, project: str, tag: str, key: str = "") -> None:
        """Tag a repository that was pushed; the newest tag is told first."""
        git = Git.of(self.folder / project)
        git("tag", "--force", tag)
        git("update-server-info")
        told = {"name": tag, "commit": {"id": git("rev-parse", "HEAD")}}
        before = self.tags.get(key or f"group/{project}", [])
        self.tags[key or f"group/{project}"] = [told, *(it for it in before if it["name"] != tag)]

    async def dump(self, request: web.Request) -> web.Response:
        """`/packages-meta-v1.json.gz`: everything, if it changed."""
        self.asked.append("dump")
        etag = f'"{self.clock} {len(self.packages)}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        packed = gzip.compress(json.dumps(list(self.packages.values())).encode(), 1)
        return web.Response(body=packed, content_type="application/gzip", headers={"ETag": etag})

    async def search(self, request: web.Request) -> web.Response:
        """`/rpc/v5/search/WORDS?by=FIELD`."""
        self.asked.append("search")
        words, by = request.match_info["words"], request.query.get("by", "name-desc")
        if len(words) < 2:
            return web.json_response(
                {"version": 5, "type": "error", "error": "Query arg too small.", "results": []}
            )
        found = [
            each
            for each in self.packages.values()
            if (
                words in [it.partition("=")[0] for it in each.get("Provides", [])]
                if by == "provides"
                else words in each["Name"] + each["Description"]
            )
        ]
        return _results(found)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """A file of a repository."""
        name, path = request.match_info["name"], request.match_info["path"]
        self.asked.append(f"git {name}")
        place = self.folder / name / ".git" / path
        return web.FileResponse(place) if place.is_file() else web.Response(status=404)


def _results(found: list[dict[str, Any]]) -> web.Response:
    return web.json_response({"version": 5, "type": "multiinfo", "resultcount": len(found), "results": found})


@asynccontextmanager
async def local_aur(folder: Path) -> AsyncIterator[LocalAur]:
    """The server, running; its repositories lie in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    aur = LocalAur(folder)
    app = web.Application()
    app.router.add_get("/rpc/v5/info", aur.info)
    app.router.add_get("/rpc/v5/search/{words:.+}", aur.search)
    app.router.add_get("/packages-meta-v1.json.gz", aur.dump)
    app.router.add_get("/api/v4/projects/{id}/repository/tags", aur.tagged)
    app.router.add_get("/api/v4/projects/{id}", aur.project)
    app.router.add_get("/group/{name}.git/{path:.*}", aur.file)
    app.router.add_get("/{name}.git/{path:.*}", aur.file)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    aur.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield aur
    finally:
        await runner.cleanup()
