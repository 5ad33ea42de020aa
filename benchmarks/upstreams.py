"""Upstreams on loopback, in a process of their own: an AUR's list of packages, and git repositories that have one branch."""

import gzip
import json
import sys
from collections import Counter

from aiohttp import web

COMMIT = "1" * 40
_OTHERS = 100_000
"""The AUR has so many packages beside those that a tree follows."""


class Upstreams:
    """Answers, and counts how often it was asked for what."""

    def __init__(self, names: list[str]) -> None:
        packages = [_package(name) for name in (*names, *(f"other-{number}" for number in range(_OTHERS)))]
        self._dump = gzip.compress(json.dumps(packages).encode(), 6)
        self.asked: Counter[str] = Counter()

    async def dump(self, request: web.Request) -> web.Response:
        """The list, in full or as unchanged; the AUR's web server knows what was asked before."""
        self.asked["metadata"] += 1
        if request.headers.get("If-None-Match") == '"1"':
            return web.Response(status=304)
        return web.Response(body=self._dump, content_type="application/gzip", headers={"ETag": '"1"'})

    async def refs(self, request: web.Request) -> web.Response:
        """What git's server tells first (gitprotocol-http(5))."""
        self.asked["refs"] += 1
        lines = [
            _packet("# service=git-upload-pack\n"),
            "0000",
            _packet(f"{COMMIT} HEAD\0symref=HEAD:refs/heads/main agent=bench\n"),
            _packet(f"{COMMIT} refs/heads/main\n"),
            "0000",
        ]
        kind = "application/x-git-upload-pack-advertisement"
        return web.Response(body="".join(lines).encode(), content_type=kind)

    async def counted(self, request: web.Request) -> web.Response:
        """How often, since this was last asked."""
        told = dict(self.asked)
        self.asked.clear()
        return web.json_response(told)


def _package(name: str) -> dict[str, object]:
    return {
        "ID": 1,
        "Name": name,
        "PackageBaseID": 1,
        "PackageBase": name,
        "Version": "1-1",
        "Description": f"What {name} is good for, in a sentence of the usual length",
        "URL": f"https://example.org/{name}",
        "NumVotes": 3,
        "Popularity": 0.01,
        "OutOfDate": None,
        "Maintainer": "somebody",
        "FirstSubmitted": 1_500_000_000,
        "LastModified": 1_700_000_000,
        "URLPath": f"/cgit/aur.git/snapshot/{name}.tar.gz",
    }


def _packet(line: str) -> str:
    return f"{len(line) + 4:04x}{line}"


def main() -> None:
    """Serve at the port that is the first argument; names of packages come by standard input."""
    upstreams = Upstreams(sys.stdin.read().split())
    app = web.Application()
    app.router.add_get("/packages-meta-v1.json.gz", upstreams.dump)
    app.router.add_get("/git/{name}/info/refs", upstreams.refs)
    app.router.add_get("/asked", upstreams.counted)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)


if __name__ == "__main__":
    main()
