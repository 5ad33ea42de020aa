"""Clients reach a server through TLS with a certificate of one's own, and through a proxy; with real nginx and tinyproxy."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.nginx import nginx
from quarters.model.errors import ConfigInvalid, ServerUnreachable
from quarters.protocol.client import Client
from quarters.protocol.client.trust import Trust
from tests.serving import Running, running

pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None or shutil.which("tinyproxy") is None, reason="needs nginx and tinyproxy"
)

SITE = """
server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
    location / {{ proxy_pass {server}; proxy_http_version 1.1; }}
}}
"""
PROXY = """
Port {port}
Listen 127.0.0.1
Timeout 60
LogFile "{folder}/proxy.log"
LogLevel Connect
Allow 127.0.0.1
"""


def certificate(folder: Path) -> str:
    """Make a certificate for 127.0.0.1 that is its own authority; returns its fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made.fingerprint(hashes.SHA256()).hex(":")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Front:
    """A server behind TLS: its address, the file of its certificate, and that one's fingerprint."""

    def __init__(self, folder: Path, server: Running) -> None:
        self.pin = certificate(folder)
        self.ca = str(folder / "certificate.pem")
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.site = SITE.format(port=self.port, folder=folder, server=server.url)


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    """The server and nginx."""
    (tmp_path / "server").mkdir()
    async with running(tmp_path / "server") as server:
        made = Front(tmp_path / "tls", server)
        with nginx(tmp_path / "nginx", made.site):
            yield made


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """tinyproxy: its address and its log."""
    port, log = free_port(), tmp_path / "proxy.log"
    (tmp_path / "proxy.conf").write_text(PROXY.format(port=port, folder=tmp_path))
    process = await asyncio.create_subprocess_exec("tinyproxy", "-d", "-c", str(tmp_path / "proxy.conf"))
    try:
        for _ in range(400):
            if await listens(port):
                break
            await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}", log
    finally:
        process.terminate()
        await process.wait()


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def answers(url: str, trust: Trust) -> None:
    async with Client(url, trust=trust) as client:
        await client.repositories.list()


async def test_a_certificate_of_ones_own_authority_is_believed_where_that_is_named(front: Front) -> None:
    await answers(front.url, Trust(ca=front.ca))
    with pytest.raises(ServerUnreachable, match="certificate"):
        await answers(front.url, Trust())
    # The name counts as well.
    with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1"):
        await answers(f"https://127.0.0.1:{front.port}", Trust(ca=front.ca))


async def test_a_pinned_certificate_is_believed_and_no_other(front: Front) -> None:
    await answers(f"https://127.0.0.1:{front.port}", Trust(pin=front.pin))
    other = front.pin[:-2] + ("00" if front.pin[-2:] != "00" else "11")
    with pytest.raises(ServerUnreachable):
        await answers(front.url, Trust(pin=other))


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_server_is_reached_through_a_proxy(
    front: Front,
    proxy: tuple[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", proxy[0])
    monkeypatch.setenv("no_proxy", "")
    if scheme == "https":
        for trust in (Trust(ca=front.ca), Trust(pin=front.pin)):
            await answers(front.url, trust)
        with pytest.raises(ServerUnreachable):
            await answers(front.url, Trust(pin="0" * 64))
        assert f"CONNECT localhost:{front.port}" in proxy[1].read_text()
    else:
        (tmp_path / "plain").mkdir()
        async with running(tmp_path / "plain") as server:
            await answers(server.url, Trust())
            assert f"GET {server.url}/" in proxy[1].read_text()


@pytest.mark.parametrize(
    ("trust", "why"),
    [
        (Trust(ca="/nowhere.pem"), "No such file"),
        (Trust(ca=os.devnull), "no certificate"),
        (Trust(pin="12:34"), "64 hexadecimal digits"),
        (Trust(pin="zz"), "64 hexadecimal digits"),
    ],
)
def test_what_is_no_certificate_is_told_before_anything_is_sent(trust: Trust, why: str) -> None:
    with pytest.raises(ConfigInvalid, match=why):
        Client("https://localhost", trust=trust)
