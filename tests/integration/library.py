"""A signed repository of one library, made by a real build and served over HTTP."""

import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from quarters.model.build import Outcome
from quarters.protocol.builds import PackageRepository
from tests.integration.recorder import built, pkgbuild


def package_info(package: bytes | bytearray) -> str:
    """The .PKGINFO of a package."""
    return subprocess.run(
        ["bsdtar", "-xOf", "-", ".PKGINFO"], input=bytes(package), stdout=subprocess.PIPE, check=True
    ).stdout.decode()


class Web:
    """A folder served over HTTP, and the paths that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, web: Web, *arguments: Any) -> None:
        self._web = web
        super().__init__(*arguments, directory=str(web.folder))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep what was asked for."""
        self._web.asked.append(self.path)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A web server of the test's own."""
    folder = tmp_path / "web"
    folder.mkdir()
    served = Web(folder)
    yield served
    served.close()


class Signer:
    """A key of its own kind."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        self._gpg = [
            "gpg",
            "--homedir",
            str(home),
            "--batch",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]
        generate = ["--quick-generate-key", "Repository <repo@example.org>", "ed25519", "sign", "never"]
        subprocess.run([*self._gpg, *generate], check=True, capture_output=True)
        self.home = home

    @property
    def public(self) -> str:
        """The public key, armoured."""
        return subprocess.run(
            [*self._gpg, "--armor", "--export"], check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def sign(self, path: Path) -> None:
        """Write a detached signature beside `path`."""
        subprocess.run([*self._gpg, "--yes", "--detach-sign", str(path)], check=True, capture_output=True)

    def close(self) -> None:
        """End the agent."""
        subprocess.run(
            ["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=True, capture_output=True
        )


@pytest.fixture
def signer(tmp_path: Path) -> Iterator[Signer]:
    """A key that signs the repository of the test."""
    made = Signer(tmp_path / "signer")
    yield made
    made.close()


def run(*command: str) -> None:
    """Run a tool that has to succeed."""
    subprocess.run(command, check=True, capture_output=True)


async def published(tmp_path: Path, web: Web, signer: Signer, scriptlet: str = "") -> None:
    """Build a library and serve it as a signed repository `own`; `scriptlet` runs when it is installed."""
    install = {"lib.install": f"post_install() {{\n{scriptlet}\n}}\n"} if scriptlet else {}
    finish, server = await built(
        tmp_path / "library",
        pkgbuild(name="lib", head="provides=(libthing)" + ("\ninstall=lib.install" if scriptlet else ""))
        | install,
        pkgbase="lib",
        outputs=("lib",),
    )
    assert finish.outcome is Outcome.BUILT, server.log(1)
    folder = web.folder / "repo"
    folder.mkdir()
    package = folder / finish.artifacts[0].file_name
    package.write_bytes(server.artifacts[package.name])
    signer.sign(package)
    run("repo-add", "--quiet", str(folder / "own.db.tar.gz"), str(package))
    signer.sign(folder / "own.db.tar.gz")
    (folder / "own.db.sig").symlink_to("own.db.tar.gz.sig")


def own(key: str, sig_level: str = "Required") -> tuple[PackageRepository, ...]:
    """The repository as an assignment names it."""
    return (PackageRepository(name="own", server="/repo", sig_level=sig_level, key=key),)
