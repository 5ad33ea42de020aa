"""A real nginx with one worker and a site of ours, for benchmarks and tests."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

CONFIG = """
server {{
    listen 127.0.0.1:{port};
    root {root};
}}
"""
"""A site that is nothing but a folder."""

_MAIN = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 8192;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
user root;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    include {folder}/site.conf;
}}
"""


@contextlib.contextmanager
def nginx(folder: Path, site: str) -> Iterator[int]:
    """Run nginx with `site` until the end; yields the process of its worker."""
    folder.mkdir(exist_ok=True)
    (folder / "site.conf").write_text(site)
    config = folder / "nginx.conf"
    config.write_text(_MAIN.format(folder=folder))
    subprocess.run(["nginx", "-t", "-q", "-c", str(config)], check=True)
    process = subprocess.Popen(["nginx", "-c", str(config)])
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    try:
        for _ in range(100):
            if workers := children.read_text().split():
                break
            time.sleep(0.05)
        else:
            raise RuntimeError((folder / "nginx-errors.log").read_text())
        yield int(workers[0])
    finally:
        process.terminate()
        process.wait()
