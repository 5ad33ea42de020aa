"""A package of 2 GiB on its way to the server, beside curl and nginx, which verifies nothing."""

import asyncio
import hashlib
import os
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.claimed import PATIENT, Claimed, claimed
from benchmarks.nginx import nginx
from benchmarks.running import Server, demand, free_port, resident, scratch, server
from benchmarks.table import Row
from quarters.protocol.builds import ArtifactDigest, LeaseKey

ROUNDS = 3
SIZE = 2 << 30
_BLOCK = 64 << 20
_SITE = """
server {{
    listen 127.0.0.1:{port};
    root {root};
    client_max_body_size 0;
    location / {{ dav_methods PUT; }}
}}
"""


class Run(NamedTuple):
    """Bytes per second of both, and bytes by which the memory of server and builder grew at most."""

    own: float
    rival: float
    server: int
    builder: int


def rows() -> list[Row]:
    """Medians of three rounds in which the two take turns; the server also verifies, and waits for its disk."""
    demand("nginx", "curl")
    with scratch() as folder, server(folder, **PATIENT) as quarters:
        port, plain = free_port(), folder / "plain"
        plain.mkdir()
        source = folder / "source"
        _fill(source)
        with nginx(folder / "nginx", _SITE.format(port=port, root=plain)):
            runs = asyncio.run(_rounds(quarters, folder, source, f"http://127.0.0.1:{port}/there"))
    ratio = median(it.own / it.rival for it in runs)
    most, builder = max(it.server for it in runs) / 1e6, max(it.builder for it in runs) / 1e6
    return [
        Row(
            "upload of 2 GiB",
            median(it.own for it in runs) / 1e6,
            "MB/s",
            "curl and nginx",
            ratio,
            ">= 0.7x",
            ratio >= 0.7,
        ),
        Row("upload of 2 GiB: memory of the server", most, "MB", goal="< 50 MB", met=most < 50),
        Row("upload of 2 GiB: memory of the builder", builder, "MB", goal="< 50 MB", met=builder < 50),
    ]


def _fill(path: Path) -> None:
    block = os.urandom(_BLOCK)
    with path.open("wb") as file:
        for _ in range(SIZE // _BLOCK):
            file.write(block)


async def _rounds(quarters: Server, folder: Path, source: Path, url: str) -> list[Run]:
    async with claimed(quarters, folder) as work:
        with source.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return [await _round(quarters, work, source, sha256, url, number) for number in range(ROUNDS)]


async def _round(quarters: Server, work: Claimed, source: Path, sha256: str, url: str, number: int) -> Run:
    before = resident(quarters.process), resident(os.getpid())
    artifact = ArtifactDigest(f"bench-{number}-1-any.pkg.tar.zst", SIZE, sha256)
    began = time.monotonic()
    sending = asyncio.create_task(work.client.work.upload_artifact(LeaseKey.of(work.build), artifact, source))
    most = before
    while not (await asyncio.wait({sending}, timeout=0.2))[0]:
        most = max(most[0], resident(quarters.process)), max(most[1], resident(os.getpid()))
    seconds = time.monotonic() - began
    if sending.result().size != SIZE:
        raise RuntimeError("it did not arrive whole")
    for path in quarters.data.glob(f"incoming/*/*/{artifact.file_name}"):
        path.unlink()
    began = time.monotonic()
    curl = await asyncio.create_subprocess_exec("curl", "-sfT", str(source), url, stdout=subprocess.DEVNULL)
    if await curl.wait():
        raise RuntimeError("curl could not send it")
    rival = time.monotonic() - began
    return Run(SIZE / seconds, SIZE / rival, most[0] - before[0], most[1] - before[1])
